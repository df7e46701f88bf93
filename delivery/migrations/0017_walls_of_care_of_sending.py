from django.db import migrations

from common.rls import create_door, force_row_security


class Migration(migrations.Migration):
    dependencies = [("delivery", "0016_care_of_sending")]

    operations = [
        force_row_security("delivery_alert"),
        force_row_security("delivery_sendingrules"),
        force_row_security("delivery_unknowndecision"),
        create_door(
            "door_sending_troubles",
            "moment timestamptz",
            "organization_id bigint",
            "SELECT m.organization_id FROM delivery_message m WHERE m.status = 'unknown'"
            " UNION SELECT c.organization_id FROM delivery_connection c WHERE c.broken_since IS NOT NULL"
            " UNION SELECT a.organization_id FROM delivery_alert a WHERE a.mailed_at IS NULL"
            # Left in *sending* by a worker that ended, where no worker comes any more.
            " UNION SELECT g.organization_id FROM delivery_mailing g WHERE g.state IN ('paused', 'cancelled')"
            " AND EXISTS (SELECT FROM delivery_message s WHERE s.mailing_id = g.id AND s.status = 'sending'"
            " AND s.due_at <= moment)",
        ),
    ]
