from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("intake", "0008_informed_people")]

    operations = [
        migrations.AddField(
            model_name="consentmove",
            name="message",
            field=models.CharField(blank=True, db_default="", default="", max_length=500),
        ),
    ]
