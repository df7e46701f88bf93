import django.db.models.deletion
import django.db.models.functions
from django.db import migrations, models

# A constraint cannot leave rows out, an index can: NULL differs from NULL in both.
ONLY_MEASURED = """
ALTER TABLE delivery_message DROP CONSTRAINT delivery_message_tracked_message_id_key;
CREATE UNIQUE INDEX delivery_message_tracked_message_id_key ON delivery_message (tracked_message_id)
 WHERE tracked_message_id IS NOT NULL;
"""
ALL = """
DROP INDEX delivery_message_tracked_message_id_key;
ALTER TABLE delivery_message ADD CONSTRAINT delivery_message_tracked_message_id_key UNIQUE (tracked_message_id);
"""


class Migration(migrations.Migration):
    dependencies = [("delivery", "0022_questions_and_versions"), ("participants", "0004_ledger_id")]

    operations = [
        migrations.RemoveConstraint(model_name="message", name="one_message_per_person"),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.UniqueConstraint(
                models.F("participant"),
                models.F("mailing"),
                django.db.models.functions.NullIf("by_call", models.Value(True)),
                name="one_message_per_person",
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="participant",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="messages",
                to="participants.participant",
            ),
        ),
        migrations.RunSQL(ONLY_MEASURED, ALL),
    ]
