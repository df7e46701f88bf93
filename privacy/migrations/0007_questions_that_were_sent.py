from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("privacy", "0006_fewer_emails")]

    operations = [
        migrations.AddField(model_name="inactivitycheck", name="was_sent", field=models.BooleanField(default=False)),
    ]
