from django.db import migrations, models

from common.rls import create_door

DOOR = ("door_sending_troubles", "moment timestamptz", "organization_id bigint")
BEFORE = (
    "SELECT m.organization_id FROM delivery_message m WHERE m.status = 'unknown'"
    " UNION SELECT c.organization_id FROM delivery_connection c WHERE c.broken_since IS NOT NULL"
    " UNION SELECT a.organization_id FROM delivery_alert a WHERE a.mailed_at IS NULL"
    # Left in *sending* by a worker that ended, where no worker comes any more.
    " UNION SELECT g.organization_id FROM delivery_mailing g WHERE g.state IN ('paused', 'cancelled')"
    " AND EXISTS (SELECT FROM delivery_message s WHERE s.mailing_id = g.id AND s.status = 'sending'"
    " AND s.due_at <= moment)"
)
SINGLE = " UNION SELECT o.organization_id FROM delivery_servicemessage o WHERE o.status = 'unknown'"


class Migration(migrations.Migration):
    dependencies = [("delivery", "0023_fewer_indexes")]

    operations = [
        migrations.AddField(model_name="servicemessage", name="resent_at", field=models.DateTimeField(null=True)),
        migrations.AddIndex(
            model_name="servicemessage",
            index=models.Index(
                condition=models.Q(("status", "unknown")),
                fields=["organization", "claimed_at"],
                name="service_message_unknown",
            ),
        ),
        migrations.RunSQL("DROP FUNCTION door_sending_troubles(timestamptz)", create_door(*DOOR, BEFORE).sql),
        create_door(*DOOR, BEFORE + SINGLE),
    ]
