import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import intake.models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_months_between_requests"),
        ("intake", "0004_participation_walls"),
        ("participants", "0004_ledger_id"),
        ("websites", "0007_moments_of_the_decision"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ConsentMove",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("attribute", "Attribute of participants"),
                            ("unproven", "Yeses that waited for their evidence"),
                        ],
                        max_length=10,
                        verbose_name="from",
                    ),
                ),
                ("attribute", models.CharField(blank=True, max_length=120, verbose_name="attribute")),
                ("opens", models.BooleanField(default=True, verbose_name="opens")),
                ("clicks", models.BooleanField(default=True, verbose_name="clicks")),
                ("mapping", models.JSONField(default=dict)),
                ("provenance", models.JSONField(blank=True, default=dict)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("uploaded", "Waiting for your choices"),
                            ("queued", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="queued",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("last_id", models.BigIntegerField(default=0)),
                ("counts", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="created")),
                ("heartbeat_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished")),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
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
                    "scope",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="websites.consentscope",
                        verbose_name="consent scope",
                    ),
                ),
                (
                    "source_import",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="intake.import"
                    ),
                ),
                (
                    "source_move",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="intake.consentmove",
                    ),
                ),
            ],
            options={
                "verbose_name": "move of tracking consent",
                "verbose_name_plural": "moves of tracking consent",
                "ordering": ("-created_at",),
            },
        ),
        migrations.CreateModel(
            name="PeopleExport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("uploaded", "Waiting for your choices"),
                            ("queued", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="queued",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("file", models.FileField(blank=True, upload_to=intake.models.export_path)),
                ("rows", models.PositiveIntegerField(default=0, verbose_name="rows")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="created")),
                ("heartbeat_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished")),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
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
                    "scope",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="websites.consentscope",
                        verbose_name="consent scope",
                    ),
                ),
            ],
            options={
                "verbose_name": "export of participants",
                "verbose_name_plural": "exports of participants",
                "ordering": ("-created_at",),
            },
        ),
        migrations.CreateModel(
            name="UnprovenYes",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("opens", models.BooleanField(default=False)),
                ("clicks", models.BooleanField(default=False)),
                ("listed_at", models.DateTimeField(default=django.utils.timezone.now)),
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
                        related_name="unproven_yeses",
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
                (
                    "source_import",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="unproven_yeses",
                        to="intake.import",
                    ),
                ),
                (
                    "source_move",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="unproven_yeses",
                        to="intake.consentmove",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
    ]
