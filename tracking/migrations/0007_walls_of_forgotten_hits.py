from django.db import migrations

from common.rls import force_row_security


class Migration(migrations.Migration):
    dependencies = [("tracking", "0006_forgotten_hits")]

    operations = [
        force_row_security("tracking_hitkeeping"),
        force_row_security("tracking_forgottentotal"),
        force_row_security("tracking_hitsforgotten"),
        # A hit that was made anonymous points to no sent copy; what is written has one (tracking/recorder.py).
        migrations.RunSQL(
            "ALTER TABLE tracking_hit ALTER COLUMN tracked_message_id DROP NOT NULL",
            "DELETE FROM tracking_hit WHERE tracked_message_id IS NULL;"
            " ALTER TABLE tracking_hit ALTER COLUMN tracked_message_id SET NOT NULL",
        ),
    ]
