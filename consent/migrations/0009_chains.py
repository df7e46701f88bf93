import django.db.models.deletion
from django.db import migrations, models

# Django knows no way from one key of a table to another.
KEY = """
ALTER TABLE consent_choice ALTER COLUMN scope_id SET NOT NULL;
ALTER TABLE consent_choice DROP CONSTRAINT consent_choice_pkey;
ALTER TABLE consent_choice ADD CONSTRAINT consent_choice_pkey PRIMARY KEY (participant_id, scope_id);
"""
KEY_BEFORE = """
DELETE FROM consent_choice c USING websites_consentscope s WHERE s.id = c.scope_id AND NOT s.is_default;
ALTER TABLE consent_choice DROP CONSTRAINT consent_choice_pkey;
ALTER TABLE consent_choice ADD CONSTRAINT consent_choice_pkey PRIMARY KEY (participant_id);
ALTER TABLE consent_choice ALTER COLUMN scope_id DROP NOT NULL;
"""
ANSWERS = [("yes", "Yes"), ("no", "No"), ("unknown", "No answer"), ("informed", "Informed, did not refuse")]
GROUNDS = [
    ("existing", "Known before the rules, and informed in time"),
    ("professional", "Left the ticked box of a website for professionals"),
]


def loose_key(to, on_delete, related_name):
    return models.ForeignKey(db_constraint=False, db_index=False, on_delete=on_delete, related_name=related_name, to=to)


def answer_fields(kind):
    return [
        (kind, models.CharField(choices=ANSWERS, default="unknown", max_length=8, verbose_name=kind)),
        (f"{kind}_source", models.CharField(blank=True, max_length=8)),
        (f"{kind}_at", models.DateTimeField(null=True)),
        (f"{kind}_yes_since", models.DateTimeField(null=True)),
        (f"{kind}_not_no_since", models.DateTimeField(null=True)),
        (f"{kind}_informed_since", models.DateTimeField(null=True)),
    ]


CHOICE = migrations.CreateModel(
    name="Choice",
    fields=[
        (
            "pk",
            models.CompositePrimaryKey(
                "participant_id", "scope_id", blank=True, editable=False, primary_key=True, serialize=False
            ),
        ),
        *answer_fields("opens"),
        *answer_fields("clicks"),
        (
            "informed_ground",
            models.CharField(blank=True, choices=GROUNDS, db_default="", default="", max_length=12),
        ),
        ("collected_at", models.DateTimeField(null=True)),
        ("informed_at", models.DateTimeField(null=True)),
        ("anonymous_objected_at", models.DateTimeField(null=True)),
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
        ("participant", loose_key("participants.participant", django.db.models.deletion.CASCADE, "choices")),
        ("scope", loose_key("websites.consentscope", django.db.models.deletion.PROTECT, "+")),
    ],
    options={"verbose_name": "tracking consent", "verbose_name_plural": "tracking consents"},
)


class Migration(migrations.Migration):
    dependencies = [("consent", "0008_fill_ledger")]

    operations = [
        migrations.SeparateDatabaseAndState(
            [migrations.RunSQL(KEY, KEY_BEFORE)], [migrations.DeleteModel("Choice"), CHOICE]
        ),
        migrations.AlterField("choiceevent", "hash", models.BinaryField(max_length=32)),
        migrations.AlterField("choiceevent", "prev_hash", models.BinaryField(max_length=32)),
        migrations.AlterField("choiceevent", "seq", models.IntegerField(verbose_name="position")),
        migrations.AlterField("choiceevent", "subject", models.UUIDField()),
        migrations.AlterField(
            "choiceevent", "scope", loose_key("websites.consentscope", django.db.models.deletion.PROTECT, "+")
        ),
        migrations.RemoveIndex("choiceevent", "choice_history"),
        migrations.RemoveField("choiceevent", "participant"),
        migrations.RemoveField("choiceevent", "wording"),
        migrations.AddIndex("choiceevent", models.Index(fields=["organization", "id"], name="choice_event_order")),
        migrations.AddConstraint(
            "choiceevent", models.UniqueConstraint(fields=("subject", "scope", "seq"), name="choice_chain")
        ),
        migrations.AlterField(
            "preferencekey",
            "participant",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="preference_keys",
                to="participants.participant",
            ),
        ),
        migrations.AlterField(
            "preferencekey",
            "scope",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="websites.consentscope",
            ),
        ),
        migrations.AddConstraint(
            "preferencekey",
            models.UniqueConstraint(fields=("participant", "scope"), name="preference_key_once"),
        ),
    ]
