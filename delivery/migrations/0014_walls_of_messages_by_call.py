from django.db import migrations

from common.rls import create_door, force_row_security


class Migration(migrations.Migration):
    dependencies = [("delivery", "0013_messages_by_call")]

    operations = [
        force_row_security("delivery_messagecall"),
        create_door(
            "door_web_version_key",
            "wanted uuid",
            "organization_id bigint, message_id bigint",
            "SELECT m.organization_id, m.id FROM delivery_message m WHERE m.web_version_key = wanted",
        ),
    ]
