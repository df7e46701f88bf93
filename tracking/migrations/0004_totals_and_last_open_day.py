import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_walls"),
        ("participants", "0002_walls"),
        ("tracking", "0003_tracking_domains_and_months"),
        ("websites", "0006_scope_required"),
    ]

    operations = [
        migrations.CreateModel(
            name="LastOpenDay",
            fields=[
                (
                    "participant",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="participants.participant",
                    ),
                ),
                ("organization_id", models.BigIntegerField()),
                ("day", models.DateField()),
            ],
        ),
        migrations.AddField(
            model_name="trackedmessage",
            name="exempt_purpose",
            field=models.CharField(db_default="", default="", max_length=16),
        ),
        migrations.AlterField(
            model_name="trackedmessage",
            name="clicks",
            field=models.CharField(max_length=14),
        ),
        migrations.AlterField(
            model_name="trackedmessage",
            name="opens",
            field=models.CharField(max_length=14),
        ),
        migrations.CreateModel(
            name="AnonymousContent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.UUIDField(unique=True)),
                (
                    "opens_countries",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=2), default=list),
                ),
                (
                    "clicks_countries",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=2), default=list),
                ),
                ("decided_at", models.DateTimeField()),
                (
                    "content",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="anonymous",
                        to="tracking.trackedcontent",
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
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="websites.website",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="AnonymousTotal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("organization_id", models.BigIntegerField()),
                ("kind", models.SmallIntegerField(choices=[(1, "Open"), (2, "Click")])),
                ("link_number", models.SmallIntegerField()),
                (
                    "actor",
                    models.SmallIntegerField(choices=[(1, "human"), (2, "automatic"), (3, "possibly automatic")]),
                ),
                ("hits", models.BigIntegerField()),
                (
                    "content",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tracking.trackedcontent",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("content", "kind", "link_number", "actor"), name="anonymous_total_once"
                    )
                ],
            },
        ),
    ]
