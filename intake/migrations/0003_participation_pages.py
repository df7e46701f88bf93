import django.contrib.postgres.functions
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_walls"),
        ("campaigns", "0002_walls"),
        ("consent", "0005_proposal_walls"),
        ("intake", "0002_walls"),
        ("participants", "0002_walls"),
        ("websites", "0006_scope_required"),
    ]

    operations = [
        migrations.CreateModel(
            name="EntryForm",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), unique=True)),
                ("languages", models.JSONField(default=list, verbose_name="languages")),
                ("texts", models.JSONField(default=dict)),
                ("double_opt_in", models.BooleanField(default=True, verbose_name="double opt-in")),
                ("frame_hosts", models.JSONField(default=list)),
                ("published_at", models.DateTimeField(null=True, verbose_name="published")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="created")),
                ("updated_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="changed")),
                (
                    "campaign",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="entry_form", to="campaigns.campaign"
                    ),
                ),
                (
                    "exit_email",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
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
                "verbose_name": "form",
                "verbose_name_plural": "forms",
            },
        ),
        migrations.CreateModel(
            name="Submission",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("token", models.UUIDField()),
                ("language", models.CharField(max_length=10, verbose_name="language")),
                ("answers", models.JSONField(default=dict)),
                ("source", models.CharField(blank=True, max_length=120, verbose_name="source")),
                ("submitted_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="sent")),
                (
                    "form",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="submissions", to="intake.entryform"
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
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="submissions",
                        to="participants.participant",
                    ),
                ),
            ],
            options={
                "verbose_name": "entry",
                "verbose_name_plural": "entries",
                "ordering": ("-submitted_at", "-pk"),
            },
        ),
        migrations.CreateModel(
            name="Confirmation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), unique=True)),
                ("language", models.CharField(max_length=10)),
                ("waiting", models.JSONField(default=dict)),
                ("asked_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("reminded_at", models.DateTimeField(null=True)),
                ("confirmed_at", models.DateTimeField(null=True)),
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
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="confirmations",
                        to="participants.participant",
                    ),
                ),
                (
                    "website",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="websites.website"
                    ),
                ),
                (
                    "submission",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="intake.submission",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="FormField",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveSmallIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("email", "Email address"),
                            ("text", "Text"),
                            ("long_text", "Long text"),
                            ("choice", "One of several"),
                            ("multiple", "Some of several"),
                            ("country", "Country"),
                            ("date", "Date"),
                            ("checkbox", "Checkbox"),
                            ("hidden", "Hidden source"),
                            ("tracking", "Tracking consent"),
                            ("topic", "Newsletter topic"),
                        ],
                        max_length=10,
                        verbose_name="type",
                    ),
                ),
                ("name", models.CharField(max_length=60, verbose_name="name")),
                ("target", models.CharField(blank=True, max_length=12, verbose_name="kept as")),
                ("required", models.BooleanField(default=False, verbose_name="required")),
                ("texts", models.JSONField(default=dict)),
                (
                    "variant",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("one_box", "One box for opens and clicks"),
                            ("two_boxes", "A box for opens, a box for clicks"),
                            ("yes_no", "Yes or no"),
                            ("professional", "Ticked box for professionals"),
                        ],
                        max_length=12,
                    ),
                ),
                ("wordings", models.JSONField(default=dict)),
                (
                    "form",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="fields", to="intake.entryform"
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
                    "topic",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="consent.topic",
                    ),
                ),
            ],
            options={
                "ordering": ("position", "pk"),
                "constraints": [
                    models.UniqueConstraint(fields=("form", "name"), name="form_field_name_once"),
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "tracking")), fields=("form",), name="one_tracking_field_per_form"
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="submission",
            index=models.Index(fields=["form", "-submitted_at", "-id"], name="entries_newest_first"),
        ),
        migrations.AddConstraint(
            model_name="submission",
            constraint=models.UniqueConstraint(fields=("form", "token"), name="one_entry_per_page"),
        ),
        migrations.AddIndex(
            model_name="confirmation",
            index=models.Index(
                condition=models.Q(("confirmed_at__isnull", True), models.Q(("waiting", {}), _negated=True)),
                fields=["expires_at"],
                name="confirmation_open",
            ),
        ),
    ]
