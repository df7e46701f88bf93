from django.db import migrations

from common.rls import create_door, force_row_security


class Migration(migrations.Migration):
    dependencies = [("delivery", "0010_connections")]

    operations = [
        force_row_security("delivery_connection"),
        force_row_security("delivery_websiteconnection"),
        force_row_security("delivery_connectionday"),
        force_row_security("delivery_providernews"),
        force_row_security("delivery_dkimkey"),
        force_row_security("delivery_guardcheck"),
        create_door(
            "door_hook",
            "wanted uuid",
            "organization_id bigint, connection_id bigint",
            "SELECT c.organization_id, c.id FROM delivery_connection c WHERE c.hook_key = wanted",
        ),
        create_door(
            "door_message_reference",
            "wanted uuid",
            "organization_id bigint, message_id bigint",
            "SELECT m.organization_id, m.id FROM delivery_message m WHERE m.reference = wanted",
        ),
        create_door(
            "door_watched_connections",
            "",
            "organization_id bigint, connection_id bigint",
            "SELECT c.organization_id, c.id FROM delivery_connection c"
            " WHERE c.imap_host <> '' OR c.guard_address <> '' ORDER BY c.id",
        ),
    ]
