import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_journal_marks"),
        ("delivery", "0015_later_and_left_out"),
        ("participants", "0004_ledger_id"),
        ("tracking", "0008_subscribed_mail"),
        ("websites", "0007_moments_of_the_decision"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Alert",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=60)),
                ("subject", models.CharField(max_length=300)),
                ("text", models.TextField()),
                ("raised_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("mailed_to", models.JSONField(default=list)),
                ("mailed_at", models.DateTimeField(null=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="SendingRules",
            fields=[
                (
                    "organization",
                    models.OneToOneField(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="accounts.organization",
                    ),
                ),
                (
                    "resend",
                    models.CharField(
                        choices=[
                            ("never", "Never: a person decides"),
                            (
                                "not_marketing",
                                "Mail that is no marketing (transactional, authentication, legal notices)",
                            ),
                            ("all", "All mail"),
                        ],
                        default="never",
                        max_length=13,
                        verbose_name="send again by itself",
                    ),
                ),
                (
                    "resend_hours",
                    models.PositiveSmallIntegerField(
                        default=24,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(720),
                        ],
                        verbose_name="after so many hours",
                    ),
                ),
                ("pauses", models.BooleanField(default=True, verbose_name="pause a launch by itself")),
                (
                    "bounce_percent",
                    models.FloatField(
                        default=5.0,
                        validators=[
                            django.core.validators.MinValueValidator(0.01),
                            django.core.validators.MaxValueValidator(100),
                        ],
                        verbose_name="undeliverable, percent",
                    ),
                ),
                (
                    "bounce_least",
                    models.PositiveIntegerField(
                        default=200,
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name="of at least so many copies",
                    ),
                ),
                (
                    "complaint_percent",
                    models.FloatField(
                        default=0.3,
                        validators=[
                            django.core.validators.MinValueValidator(0.01),
                            django.core.validators.MaxValueValidator(100),
                        ],
                        verbose_name="reported as unwanted, percent",
                    ),
                ),
                (
                    "complaint_least",
                    models.PositiveIntegerField(
                        default=500,
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name="of at least so many copies",
                    ),
                ),
                (
                    "alerts_to",
                    models.CharField(
                        choices=[
                            ("owners", "Owners"),
                            ("marketers", "Owners and marketers"),
                            ("nobody", "Nobody: alerts are shown here only"),
                        ],
                        default="owners",
                        max_length=9,
                        verbose_name="alerts by email to",
                    ),
                ),
            ],
            options={
                "verbose_name": "rules for sending",
                "verbose_name_plural": "sending and alerts",
            },
        ),
        migrations.CreateModel(
            name="UnknownDecision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("resend", models.BooleanField()),
                ("by_setting", models.BooleanField(default=False)),
                ("decided_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="UncertainMessage",
            fields=[],
            options={
                "verbose_name": "message that may have been sent",
                "verbose_name_plural": "messages that may have been sent",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("delivery.message",),
        ),
        migrations.AddField(
            model_name="mailing",
            name="accepted",
            field=models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict),
        ),
        migrations.AddField(
            model_name="mailing",
            name="spiked_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="message",
            name="uncertain_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="message",
            name="mailing",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="messages",
                to="delivery.mailing",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["mailing", "status"], name="message_progress"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("status", "unknown")),
                fields=["organization", "uncertain_at"],
                name="message_unknown",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("news__in", ["hard_bounce", "complained"])),
                fields=["mailing", "news"],
                name="message_bad_news",
            ),
        ),
        migrations.AddField(
            model_name="alert",
            name="organization",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.organization",
            ),
        ),
        migrations.AddField(
            model_name="unknowndecision",
            name="decided_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="unknowndecision",
            name="message",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="decisions", to="delivery.message"
            ),
        ),
        migrations.AddField(
            model_name="unknowndecision",
            name="organization",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.organization",
            ),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(fields=["organization", "kind", "-raised_at"], name="alert_newest_first"),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(condition=models.Q(("mailed_at", None)), fields=["raised_at"], name="alert_to_mail"),
        ),
    ]
