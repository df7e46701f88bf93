import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from common.rls import force_row_security


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_months_between_requests"),
        ("campaigns", "0004_functional_link_walls"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Exemption",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "purpose",
                    models.CharField(
                        choices=[
                            ("marketing", "Marketing"),
                            ("transactional", "Transactional"),
                            ("authentication", "Authentication"),
                            ("legal_notice", "Legal notice"),
                        ],
                        max_length=16,
                        verbose_name="purpose",
                    ),
                ),
                ("digest", models.CharField(max_length=64)),
                ("reason", models.CharField(max_length=500, verbose_name="reason")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Waiting for a second person"),
                            ("approved", "Approved"),
                            ("declined", "Declined"),
                        ],
                        default="open",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("proposed_at", models.DateTimeField(verbose_name="proposed")),
                ("decided_at", models.DateTimeField(null=True, verbose_name="decided")),
                ("note", models.TextField(blank=True, verbose_name="note")),
                ("dropped_at", models.DateTimeField(null=True, verbose_name="dropped")),
                (
                    "decided_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "dropped_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "email",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="exemptions", to="campaigns.email"
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
                    "proposed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "verbose_name": "exempt purpose",
                "verbose_name_plural": "exempt purposes",
                "ordering": ("-proposed_at",),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("dropped_at", None), ("state__in", ["open", "approved"])),
                        fields=("email",),
                        name="one_exemption_at_a_time",
                    )
                ],
            },
        ),
        force_row_security("campaigns_exemption"),
    ]
