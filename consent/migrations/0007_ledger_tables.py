import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# The key of a table cannot be changed by Django: the rest of this change is in 0009.
CHOICE_SCOPE = "ALTER TABLE consent_choice ADD COLUMN scope_id bigint"


def organization():
    return models.ForeignKey(
        editable=False,
        on_delete=django.db.models.deletion.CASCADE,
        related_name="+",
        to="accounts.organization",
    )


def number():
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_walls"),
        ("consent", "0006_pending_and_paused"),
        ("participants", "0004_ledger_id"),
        ("websites", "0006_scope_required"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ConsentText",
            fields=[
                ("id", number()),
                ("language", models.CharField(blank=True, max_length=10, verbose_name="language")),
                ("place", models.CharField(max_length=40, verbose_name="place")),
                ("version", models.PositiveIntegerField(verbose_name="version")),
                ("text", models.TextField(verbose_name="text")),
                ("asks_for", models.JSONField(default=list, verbose_name="asks for")),
                ("sha256", models.BinaryField(max_length=32)),
                ("published_at", models.DateTimeField(verbose_name="published")),
                ("organization", organization()),
                (
                    "published_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "website",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="consent_texts",
                        to="websites.website",
                    ),
                ),
            ],
            options={
                "verbose_name": "consent text",
                "verbose_name_plural": "consent texts",
                "ordering": ("-published_at", "-id"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "website", "language", "place", "version"),
                        name="consent_text_version_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LedgerKey",
            fields=[
                ("id", number()),
                ("public_key", models.BinaryField(max_length=32, unique=True)),
                ("sealed_private_key", models.TextField()),
                ("created_at", models.DateTimeField(verbose_name="created")),
                ("organization", organization()),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="LedgerAnchor",
            fields=[
                ("id", number()),
                ("number", models.PositiveIntegerField(verbose_name="number")),
                ("after_id", models.BigIntegerField()),
                ("up_to_id", models.BigIntegerField()),
                ("events", models.PositiveIntegerField(verbose_name="events")),
                ("root", models.BinaryField(max_length=32)),
                ("prev_hash", models.BinaryField(max_length=32)),
                ("hash", models.BinaryField(max_length=32)),
                ("sealed_at", models.DateTimeField(verbose_name="sealed")),
                ("signature", models.BinaryField(max_length=64)),
                ("organization", organization()),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="consent.ledgerkey"
                    ),
                ),
            ],
            options={
                "ordering": ("number",),
                "constraints": [
                    models.UniqueConstraint(fields=("organization", "number"), name="ledger_anchor_number_once"),
                    models.UniqueConstraint(fields=("organization", "up_to_id"), name="ledger_anchor_range_once"),
                ],
            },
        ),
        migrations.AddField("choiceevent", "hash", models.BinaryField(max_length=32, null=True)),
        migrations.AddField("choiceevent", "prev_hash", models.BinaryField(max_length=32, null=True)),
        migrations.AddField("choiceevent", "seq", models.IntegerField(null=True, verbose_name="position")),
        migrations.AddField("choiceevent", "subject", models.UUIDField(null=True)),
        migrations.AddField(
            "choiceevent",
            "scope",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="websites.consentscope",
            ),
        ),
        migrations.AddField(
            "choiceevent",
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
        migrations.AlterField("choiceevent", "kind", models.CharField(max_length=9, verbose_name="about")),
        # Going back makes this column again before anything can fill it.
        migrations.AlterField(
            "choiceevent",
            "participant",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="choice_events",
                to="participants.participant",
            ),
        ),
        migrations.AlterField(
            "choiceevent",
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
        migrations.AddField(
            "preferencekey",
            "scope",
            models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="websites.consentscope",
            ),
        ),
        migrations.RunSQL(CHOICE_SCOPE, "ALTER TABLE consent_choice DROP COLUMN scope_id"),
    ]
