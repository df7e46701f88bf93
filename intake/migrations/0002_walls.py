from django.db import migrations

from common.rls import create_door, force_row_security


class Migration(migrations.Migration):
    dependencies = [("intake", "0001_initial")]

    operations = [
        force_row_security("intake_import"),
        force_row_security("intake_importissue"),
        create_door(
            "door_waiting_imports",
            "quiet_since timestamptz",
            "organization_id bigint, import_id bigint",
            "SELECT i.organization_id, i.id FROM intake_import i WHERE i.state IN ('queued', 'running')"
            " AND coalesce(i.heartbeat_at, i.created_at) < quiet_since ORDER BY i.id",
        ),
    ]
