from django.db import migrations

from common.rls import create_door, force_row_security


class Migration(migrations.Migration):
    dependencies = [("privacy", "0001_fresh_links")]

    operations = [
        force_row_security("privacy_freshlink"),
        force_row_security("privacy_receipt"),
        create_door(
            "door_fresh_link",
            "wanted text",
            "organization_id bigint, link_id bigint",
            "SELECT l.organization_id, l.id FROM privacy_freshlink l WHERE l.key_hash = wanted",
        ),
        create_door(
            "door_due_receipts",
            "moment timestamptz",
            "organization_id bigint, participant_id bigint",
            "SELECT r.organization_id, r.participant_id FROM privacy_receipt r WHERE r.due_at <= moment ORDER BY r.due_at",
        ),
    ]
