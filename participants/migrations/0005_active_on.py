from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("participants", "0004_ledger_id")]

    operations = [
        migrations.AddField(
            model_name="participant",
            name="active_on",
            field=models.DateField(editable=False, null=True, verbose_name="last known activity"),
        ),
    ]
