from django.db import migrations

from common.rls import create_door


class Migration(migrations.Migration):
    dependencies = [("consent", "0002_walls")]

    operations = [
        create_door(
            "door_websites",
            "",
            "organization_id bigint, website_id bigint",
            "SELECT w.organization_id, w.id FROM websites_website w ORDER BY w.id",
        ),
        create_door(
            "door_refusals",
            "since timestamptz",
            "organization_id bigint",
            "SELECT DISTINCT e.organization_id FROM consent_choiceevent e"
            " WHERE e.recorded_at >= since AND e.value = 'no'",
        ),
        # The choices of the last hours, without reading the whole history.
        migrations.RunSQL(
            "CREATE INDEX choice_event_recorded ON consent_choiceevent USING brin (recorded_at)",
            "DROP INDEX choice_event_recorded",
        ),
    ]
