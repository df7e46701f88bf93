from django.db import migrations, models

# The hit statement asks whether the approval of an exempt purpose still stands. config/grants.py lets it see nothing
# else of a content.
CONTENTS = "CREATE POLICY recorder_select ON tracking_trackedcontent FOR SELECT TO pli_recorder USING (true)"


class Migration(migrations.Migration):
    dependencies = [("tracking", "0009_references_within")]

    operations = [
        migrations.AddField(
            model_name="trackedcontent",
            name="exempt_ended",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.RunSQL(CONTENTS, "DROP POLICY IF EXISTS recorder_select ON tracking_trackedcontent"),
    ]
