import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

from common.rls import force_row_security


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_quiet_hours_and_cap"),
        ("campaigns", "0005_exempt_purposes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="launch",
            name="audience",
            field=models.JSONField(db_default=models.Value({}, output_field=models.JSONField()), default=dict),
        ),
        migrations.AddField(
            model_name="launch",
            name="local_at",
            field=models.CharField(blank=True, db_default="", default="", max_length=16),
        ),
        migrations.AddField(
            model_name="launch",
            name="round",
            field=models.PositiveSmallIntegerField(db_default=1, default=1),
        ),
        migrations.CreateModel(
            name="Repeat",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("every_days", models.PositiveSmallIntegerField(verbose_name="every so many days")),
                ("first_at", models.CharField(max_length=16)),
                ("until", models.DateField(verbose_name="until")),
                (
                    "to_those",
                    models.CharField(
                        choices=[
                            ("took_part", "who have not taken part in the campaign"),
                            ("got_it", "who have not got it"),
                        ],
                        max_length=10,
                        verbose_name="to those",
                    ),
                ),
                ("most_times", models.PositiveSmallIntegerField(verbose_name="at most so many times each")),
                ("ended_at", models.DateTimeField(null=True, verbose_name="ended")),
                (
                    "email",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="repeats", to="campaigns.email"
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
                "verbose_name": "repeated email",
                "verbose_name_plural": "repeated emails",
            },
        ),
        migrations.AddField(
            model_name="launch",
            name="repeat",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="launches", to="campaigns.repeat"
            ),
        ),
        migrations.CreateModel(
            name="Segment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=160, verbose_name="name")),
                ("definition", models.JSONField(default=dict, verbose_name="conditions")),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name="created"),
                ),
                (
                    "updated_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name="changed"),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
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
                "verbose_name": "segment",
                "verbose_name_plural": "segments",
                "ordering": ("name",),
            },
        ),
        migrations.AddField(
            model_name="launch",
            name="segment",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="launches", to="campaigns.segment"
            ),
        ),
        migrations.CreateModel(
            name="TrialGroup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=160, verbose_name="name")),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name="created"),
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
                "verbose_name": "test group",
                "verbose_name_plural": "test groups",
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="TrialAddress",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("email", models.CharField(max_length=320, verbose_name="email address")),
                ("email_norm", models.CharField(max_length=320)),
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
                    "group",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="addresses", to="campaigns.trialgroup"
                    ),
                ),
            ],
            options={
                "verbose_name": "test address",
                "verbose_name_plural": "test addresses",
            },
        ),
        migrations.AddConstraint(
            model_name="segment",
            constraint=models.UniqueConstraint(fields=("organization", "name"), name="segment_name_once"),
        ),
        migrations.AddConstraint(
            model_name="trialgroup",
            constraint=models.UniqueConstraint(fields=("organization", "name"), name="test_group_name_once"),
        ),
        migrations.AddConstraint(
            model_name="trialaddress",
            constraint=models.UniqueConstraint(fields=("group", "email_norm"), name="test_address_once"),
        ),
        force_row_security("campaigns_repeat"),
        force_row_security("campaigns_segment"),
        force_row_security("campaigns_trialgroup"),
        force_row_security("campaigns_trialaddress"),
    ]
