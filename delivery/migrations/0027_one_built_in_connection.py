from django.db import migrations, models

# Two members who asked at once, in two languages, had made two of them.
MERGE = """
DO $merge$
DECLARE twin record;
BEGIN
  FOR twin IN
    SELECT id, kept FROM (
      SELECT id, first_value(id) OVER (PARTITION BY organization_id ORDER BY is_default DESC, id) AS kept
        FROM delivery_connection WHERE kind = 'builtin') AS mine
     WHERE id <> kept
  LOOP
    UPDATE delivery_websiteconnection SET connection_id = twin.kept WHERE connection_id = twin.id;
    UPDATE delivery_websiteconnection SET fallback_id = twin.kept WHERE fallback_id = twin.id;
    UPDATE delivery_websiteconnection SET fallback_id = NULL WHERE fallback_id = connection_id;
    INSERT INTO delivery_connectionday (organization_id, connection_id, day, sent)
      SELECT organization_id, twin.kept, day, sent FROM delivery_connectionday WHERE connection_id = twin.id
      ON CONFLICT (connection_id, day) DO UPDATE SET sent = delivery_connectionday.sent + excluded.sent;
    DELETE FROM delivery_connectionday WHERE connection_id = twin.id;
    UPDATE delivery_providernews SET connection_id = twin.kept WHERE connection_id = twin.id;
    UPDATE delivery_guardcheck SET connection_id = twin.kept WHERE connection_id = twin.id;
    UPDATE delivery_message SET connection_id = twin.kept WHERE connection_id = twin.id;
    DELETE FROM delivery_connection WHERE id = twin.id;
  END LOOP;
END
$merge$;
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED
"""


class Migration(migrations.Migration):
    dependencies = [("delivery", "0026_left_out_when_not_active")]

    operations = [
        migrations.RunSQL(MERGE, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="connection",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "builtin")), fields=("organization",), name="one_built_in_connection"
            ),
        ),
    ]
