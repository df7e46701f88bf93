from django.db import migrations

from common.rls import create_door, force_row_security


class Migration(migrations.Migration):
    dependencies = [("delivery", "0003_service_messages")]

    operations = [
        force_row_security("delivery_servicemessage"),
        create_door(
            "door_due_service_messages",
            "moment timestamptz",
            "organization_id bigint",
            "SELECT DISTINCT m.organization_id FROM delivery_servicemessage m"
            " WHERE m.status IN ('queued', 'claimed', 'sending') AND m.due_at <= moment",
        ),
    ]
