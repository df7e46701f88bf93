import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_journal_marks"),
        ("delivery", "0017_walls_of_care_of_sending"),
        ("participants", "0004_ledger_id"),
        ("websites", "0007_moments_of_the_decision"),
    ]

    operations = [
        migrations.AddField(
            model_name="mailing",
            name="exit_screen",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="websiteconnection",
            name="outside",
            field=models.ForeignKey(
                blank=True,
                help_text="Pli hands exit-screen emails over to it and sends them no more. All other mail is Pli's.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="outside_websites",
                to="delivery.connection",
                verbose_name="outside sender of exit-screen emails",
            ),
        ),
        migrations.AlterField(
            model_name="connection",
            name="kind",
            field=models.CharField(
                choices=[
                    ("builtin", "Mail server of this installation"),
                    ("smtp", "Mail server (SMTP)"),
                    ("esp", "Sending service (API)"),
                    ("push", "Outside sender"),
                ],
                max_length=8,
                verbose_name="kind",
            ),
        ),
        migrations.CreateModel(
            name="OutsideReading",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("choices_until", models.BigIntegerField(default=0)),
                ("subscriptions_until", models.BigIntegerField(default=0)),
                ("choices_mark", models.BigIntegerField(default=0)),
                ("subscriptions_mark", models.BigIntegerField(default=0)),
                ("mark_transaction", models.BigIntegerField(default=0)),
                ("compared_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("compared_versions", models.BigIntegerField(default=0)),
                (
                    "connection",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="reading", to="delivery.connection"
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.organization",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="OutsidePerson",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sealed_address", models.TextField(blank=True)),
                ("told", models.JSONField(default=dict)),
                ("wanted", models.JSONField(null=True)),
                ("key", models.UUIDField(null=True)),
                ("number", models.PositiveIntegerField(default=0)),
                ("due_at", models.DateTimeField(null=True)),
                ("held_since", models.DateTimeField(null=True)),
                ("marked", models.BooleanField(default=False)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("failed_at", models.DateTimeField(null=True)),
                ("words", models.CharField(blank=True, max_length=500)),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="outside_people",
                        to="delivery.connection",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.organization",
                    ),
                ),
                (
                    "participant",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="participants.participant",
                    ),
                ),
                (
                    "website",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="websites.website",
                    ),
                ),
            ],
            options={
                "verbose_name": "person known to an outside sender",
                "verbose_name_plural": "people known to an outside sender",
                "indexes": [
                    models.Index(
                        condition=models.Q(("due_at__isnull", False)),
                        fields=["connection", "due_at"],
                        name="outside_person_due",
                    ),
                    models.Index(
                        condition=models.Q(("failed_at__isnull", False)),
                        fields=["connection"],
                        name="outside_person_failed",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("participant", "connection", "website"), name="outside_person_once")
                ],
            },
        ),
    ]
