from django.db import migrations, models

# The day of a last open is that of the organization, so the hit statement asks for its time zone. config/grants.py
# lets it see nothing else.
ZONES = "CREATE POLICY recorder_select ON accounts_organization FOR SELECT TO pli_recorder USING (true)"


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_walls"),
        ("tracking", "0007_walls_of_forgotten_hits"),
    ]

    operations = [
        migrations.AddField(
            model_name="trackedmessage",
            name="subscribed",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.RunSQL(ZONES, "DROP POLICY IF EXISTS recorder_select ON accounts_organization"),
    ]
