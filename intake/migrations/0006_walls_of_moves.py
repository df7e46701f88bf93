from django.db import migrations

from common.rls import create_door, force_row_security


class Migration(migrations.Migration):
    dependencies = [("intake", "0005_moves_and_exports")]

    operations = [
        force_row_security("intake_consentmove"),
        force_row_security("intake_unprovenyes"),
        force_row_security("intake_peopleexport"),
        create_door(
            "door_waiting_moves",
            "quiet_since timestamptz",
            "organization_id bigint, move_id bigint",
            "SELECT m.organization_id, m.id FROM intake_consentmove m WHERE m.state IN ('queued', 'running')"
            " AND coalesce(m.heartbeat_at, m.created_at) < quiet_since ORDER BY m.id",
        ),
        create_door(
            "door_waiting_exports",
            "quiet_since timestamptz",
            "organization_id bigint, export_id bigint",
            "SELECT e.organization_id, e.id FROM intake_peopleexport e WHERE e.state IN ('queued', 'running')"
            " AND coalesce(e.heartbeat_at, e.created_at) < quiet_since ORDER BY e.id",
        ),
    ]
