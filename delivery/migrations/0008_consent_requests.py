import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_months_between_requests"),
        ("delivery", "0007_exempt_purposes"),
        ("participants", "0003_external_id_first"),
        ("websites", "0007_moments_of_the_decision"),
    ]

    operations = [
        migrations.AddField(
            model_name="mailing",
            name="untracked",
            field=models.CharField(blank=True, db_default="", default="", max_length=20),
        ),
        migrations.CreateModel(
            name="ConsentRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("asked_at", models.DateTimeField(verbose_name="asked")),
                (
                    "message",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="consent_request",
                        to="delivery.message",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.organization",
                    ),
                ),
                (
                    "participant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="consent_requests",
                        to="participants.participant",
                    ),
                ),
                (
                    "scope",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="websites.consentscope",
                    ),
                ),
            ],
            options={
                "verbose_name": "request for tracking consent",
                "verbose_name_plural": "requests for tracking consent",
                "indexes": [models.Index(fields=["scope", "asked_at"], name="consent_request_recent")],
            },
        ),
    ]
