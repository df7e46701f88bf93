import django.db.models.deletion
from django.db import migrations, models

from common.rls import create_door, force_row_security, may_be_referred_to, refers_within


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_invitations_and_impersonation"),
        ("campaigns", "0009_questions_and_versions"),
        ("reporting", "0002_walls_of_rollups"),
        ("websites", "0008_references_within"),
    ]

    operations = [
        migrations.CreateModel(
            name="ScheduledReport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("days", models.PositiveSmallIntegerField()),
                (
                    "rhythm",
                    models.CharField(
                        choices=[
                            ("daily", "Every day"),
                            ("weekly", "Every Monday"),
                            ("monthly", "On the first of each month"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "file_kind",
                    models.CharField(
                        choices=[
                            ("pdf", "PDF to print"),
                            ("xlsx", "Every table for Excel (XLSX)"),
                            ("zip", "Every table as CSV (ZIP)"),
                        ],
                        max_length=4,
                    ),
                ),
                ("next_at", models.DateTimeField(db_index=True)),
                ("sent_at", models.DateTimeField(null=True)),
                (
                    "campaign",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="campaigns.campaign",
                    ),
                ),
                (
                    "membership",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.membership"
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
                    "website",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="websites.website"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("website", None), ("campaign", None), _connector="OR"),
                        name="scheduled_report_of_one_thing",
                    ),
                    models.UniqueConstraint(
                        fields=("membership", "website", "campaign", "rhythm"),
                        name="scheduled_report_once",
                        nulls_distinct=False,
                    ),
                ],
            },
        ),
        force_row_security("reporting_scheduledreport"),
        may_be_referred_to("accounts_membership"),
        refers_within(
            "reporting_scheduledreport",
            membership_id="accounts_membership",
            website_id="websites_website",
            campaign_id="campaigns_campaign",
        ),
        create_door(
            "door_due_scheduled_reports",
            "moment timestamptz",
            "organization_id bigint, report_id bigint",
            "SELECT r.organization_id, r.id FROM reporting_scheduledreport r WHERE r.next_at <= moment"
            " ORDER BY r.next_at LIMIT 1000",
        ),
    ]
