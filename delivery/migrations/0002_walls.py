from django.db import migrations

from common.rls import create_door, force_row_security


class Migration(migrations.Migration):
    dependencies = [("delivery", "0001_initial")]

    operations = [
        force_row_security("delivery_contentsnapshot"),
        force_row_security("delivery_mailing"),
        force_row_security("delivery_message"),
        force_row_security("delivery_suppression"),
        force_row_security("delivery_caughtmessage"),
        create_door(
            "door_unsubscribe_key",
            "wanted uuid",
            "organization_id bigint, message_id bigint",
            "SELECT m.organization_id, m.id FROM delivery_message m WHERE m.unsubscribe_key = wanted",
        ),
        create_door(
            "door_mailbox_organization",
            "wanted uuid",
            "organization_id bigint",
            "SELECT o.id FROM accounts_organization o WHERE o.public_id = wanted",
        ),
        create_door(
            "door_due_mailings",
            "moment timestamptz",
            "organization_id bigint, mailing_id bigint",
            "SELECT m.organization_id, m.id FROM delivery_mailing m"
            " WHERE m.state IN ('scheduled', 'sending') AND m.not_before <= moment ORDER BY m.not_before",
        ),
    ]
