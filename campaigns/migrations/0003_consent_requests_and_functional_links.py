import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_months_between_requests"),
        ("campaigns", "0002_walls"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="email",
            name="kind",
            field=models.CharField(
                choices=[
                    ("newsletter", "Newsletter"),
                    ("exit_screen", "Exit-screen email"),
                    ("reminder", "Reminder"),
                    ("consent_request", "Request for tracking consent"),
                ],
                default="newsletter",
                max_length=16,
                verbose_name="type",
            ),
        ),
        migrations.CreateModel(
            name="FunctionalLink",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "address",
                    models.CharField(
                        help_text="As in the body, with its {{ … }}. The email address is never allowed.",
                        max_length=1000,
                        verbose_name="link",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("password", "New password or sign-in"),
                            ("voucher", "Voucher"),
                            ("prefilled", "Prefilled form"),
                            ("other", "Something else that needs it"),
                        ],
                        max_length=10,
                        verbose_name="what it is",
                    ),
                ),
                (
                    "reason",
                    models.CharField(help_text="Why it cannot work without.", max_length=300, verbose_name="reason"),
                ),
                ("declared_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "declared_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "email",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="functional_links",
                        to="campaigns.email",
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
                "verbose_name": "functional link",
                "verbose_name_plural": "functional links",
            },
        ),
    ]
