import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_months_between_requests"),
        ("consent", "0009_chains"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SubscriptionEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("subject", models.UUIDField()),
                (
                    "act",
                    models.CharField(
                        choices=[
                            ("subscribed", "Subscribed"),
                            ("requested", "Asked for, waits for confirmation"),
                            ("confirmed", "Confirmed"),
                            ("paused", "Paused"),
                            ("resumed", "Goes on"),
                            ("unsubscribed", "Unsubscribed"),
                            ("resubscribed", "Subscribed again"),
                        ],
                        max_length=14,
                        verbose_name="what",
                    ),
                ),
                (
                    "basis",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("opt_in", "Opt-in"),
                            ("double_opt_in", "Double opt-in"),
                            ("existing_customer", "Existing customer"),
                            ("professional_interest", "Professional interest"),
                        ],
                        max_length=24,
                        verbose_name="basis",
                    ),
                ),
                ("source", models.CharField(blank=True, max_length=120, verbose_name="source")),
                ("happened_at", models.DateTimeField(verbose_name="when")),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                ("evidence", models.JSONField(blank=True, default=dict, verbose_name="evidence")),
                (
                    "actor",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "consent_text",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="consent.consenttext",
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
                    "topic",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="consent.topic",
                        verbose_name="topic",
                    ),
                ),
            ],
            options={
                "verbose_name": "subscription act",
                "verbose_name_plural": "subscription history",
                "ordering": ("-recorded_at", "-id"),
                "indexes": [models.Index(fields=["subject", "id"], name="subscription_history")],
            },
        ),
    ]
