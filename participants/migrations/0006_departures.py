from django.db import migrations


class Migration(migrations.Migration):
    """Counts how often somebody was taken away, for ``participants.services``: no table, no row that anybody locks."""

    dependencies = [("participants", "0005_active_on")]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE participants_departures", reverse_sql="DROP SEQUENCE participants_departures"
        ),
    ]
