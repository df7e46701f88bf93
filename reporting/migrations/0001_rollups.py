import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import reporting.models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0006_quiet_hours_and_cap"),
        ("delivery", "0020_messages_without_foreign_keys"),
        ("tracking", "0008_subscribed_mail"),
    ]

    operations = [
        migrations.CreateModel(
            name="RollupCursor",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("counted_to", models.BigIntegerField(db_default=0, default=0)),
                ("counted_at", models.DateTimeField(null=True)),
                ("horizon", models.BigIntegerField(db_default=0, default=0)),
                ("horizon_at", models.DateTimeField(null=True)),
                (
                    "waiting_for",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), default=list),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CountedMailing",
            fields=[
                (
                    "mailing",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="counted",
                        serialize=False,
                        to="delivery.mailing",
                    ),
                ),
                ("total", models.BigIntegerField(default=0)),
                ("unsubscribed", models.BigIntegerField(default=0)),
                ("words", models.JSONField(default=list)),
                ("held", models.JSONField(default=list)),
                ("counted_at", models.DateTimeField()),
                ("due_at", models.DateTimeField(db_index=True, null=True)),
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
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="MailingCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Waiting"),
                            ("claimed", "Being prepared"),
                            ("sending", "Being sent"),
                            ("sent", "Sent"),
                            ("failed", "Failed"),
                            ("suppressed", "Not sent: unsubscribed or unreachable"),
                            ("cancelled", "Cancelled"),
                            ("unknown", "May have been sent"),
                            ("capped", "Left out: had as many marketing emails as a week allows"),
                        ],
                        max_length=10,
                    ),
                ),
                ("news", models.CharField(blank=True, max_length=12)),
                ("opens", models.CharField(blank=True, max_length=14)),
                ("opens_reason", models.CharField(blank=True, max_length=40)),
                ("clicks", models.CharField(blank=True, max_length=14)),
                ("clicks_reason", models.CharField(blank=True, max_length=40)),
                ("copies", models.BigIntegerField()),
                (
                    "mailing",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="counts",
                        to="delivery.mailing",
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
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="HitHour",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.SmallIntegerField(choices=[(1, "Open"), (2, "Click")])),
                ("link_number", models.SmallIntegerField()),
                (
                    "actor",
                    models.SmallIntegerField(choices=[(1, "human"), (2, "automatic"), (3, "possibly automatic")]),
                ),
                ("hour", models.DateTimeField()),
                ("hits", models.BigIntegerField()),
                ("people", models.BigIntegerField()),
                (
                    "content",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tracking.trackedcontent",
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
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("content", "kind", "link_number", "actor", "hour"), name="hit_hour_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="HitPeople",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.SmallIntegerField(choices=[(1, "Open"), (2, "Click")])),
                ("link_number", models.SmallIntegerField()),
                ("human_people", models.BigIntegerField(default=0)),
                ("unsure_people", models.BigIntegerField(default=0)),
                ("machine_people", models.BigIntegerField(default=0)),
                ("human_hits", models.BigIntegerField(default=0)),
                ("unsure_hits", models.BigIntegerField(default=0)),
                ("machine_hits", models.BigIntegerField(default=0)),
                (
                    "content",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tracking.trackedcontent",
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
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("content", "kind", "link_number"), name="hit_people_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="MailingGroup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("dimension", models.SmallIntegerField(choices=[(1, "Country"), (2, "Language"), (3, "Domain")])),
                ("value", models.CharField(blank=True, max_length=255)),
                ("copies", models.BigIntegerField(default=0)),
                ("sent", models.BigIntegerField(default=0)),
                ("delivered", models.BigIntegerField(default=0)),
                ("bounced", models.BigIntegerField(default=0)),
                ("complained", models.BigIntegerField(default=0)),
                ("opens_base", models.BigIntegerField(default=0)),
                ("clicks_base", models.BigIntegerField(default=0)),
                ("opened", models.BigIntegerField(default=0)),
                ("clicked", models.BigIntegerField(default=0)),
                (
                    "mailing",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="delivery.mailing",
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
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("mailing", "dimension", "value"), name="mailing_group_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="SeenCopies",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.SmallIntegerField(choices=[(1, "Open"), (2, "Click")])),
                ("link_number", models.SmallIntegerField()),
                ("chunk", models.BigIntegerField()),
                ("human", reporting.models.Bits()),
                ("unsure", reporting.models.Bits()),
                ("machine", reporting.models.Bits()),
                ("placed", reporting.models.Bits()),
                ("first_at", models.DateTimeField()),
                (
                    "content",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tracking.trackedcontent",
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
            ],
            options={
                "indexes": [models.Index(fields=["organization", "first_at"], name="seen_copies_by_age")],
                "constraints": [
                    models.UniqueConstraint(fields=("content", "kind", "link_number", "chunk"), name="seen_copies_once")
                ],
            },
        ),
    ]
