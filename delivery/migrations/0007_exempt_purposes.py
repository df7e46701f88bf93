from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("delivery", "0006_walls_of_erased_addresses")]

    operations = [
        migrations.AddField(
            model_name="mailing",
            name="exempt_approved",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name="message",
            name="opens",
            field=models.CharField(blank=True, max_length=14),
        ),
        migrations.AlterField(
            model_name="message",
            name="clicks",
            field=models.CharField(blank=True, max_length=14),
        ),
    ]
