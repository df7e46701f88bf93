from django.db import migrations

# Everything that reads events by their number reads those of one organization, so one index serves as the key and for
# the order. A second one with the same numbers cost as much as a fifth of writing an event.
ONE_KEY = """
ALTER TABLE consent_choiceevent DROP CONSTRAINT consent_choiceevent_pkey;
CREATE UNIQUE INDEX consent_choiceevent_pkey ON consent_choiceevent (organization_id, id);
ALTER TABLE consent_choiceevent ADD CONSTRAINT consent_choiceevent_pkey PRIMARY KEY USING INDEX consent_choiceevent_pkey;
"""
KEY_BEFORE = """
ALTER TABLE consent_choiceevent DROP CONSTRAINT consent_choiceevent_pkey;
ALTER TABLE consent_choiceevent ADD CONSTRAINT consent_choiceevent_pkey PRIMARY KEY (id);
"""


class Migration(migrations.Migration):
    dependencies = [("consent", "0013_references_within")]

    operations = [
        migrations.RemoveIndex("choiceevent", "choice_event_order"),
        migrations.SeparateDatabaseAndState([migrations.RunSQL(ONE_KEY, KEY_BEFORE)]),
    ]
