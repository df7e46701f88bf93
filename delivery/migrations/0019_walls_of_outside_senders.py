from django.db import migrations

from common.rls import create_door, force_row_security


class Migration(migrations.Migration):
    dependencies = [("delivery", "0018_outside_senders")]

    operations = [
        force_row_security("delivery_outsideperson"),
        force_row_security("delivery_outsidereading"),
        create_door(
            "door_outside_senders",
            "",
            "organization_id bigint, connection_id bigint",
            "SELECT c.organization_id, c.id FROM delivery_connection c WHERE c.kind = 'push' ORDER BY c.id",
        ),
    ]
