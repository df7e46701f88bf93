import django.contrib.postgres.functions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("participants", "0003_external_id_first")]

    operations = [
        migrations.AddField(
            model_name="participant",
            name="ledger_id",
            field=models.UUIDField(
                db_default=django.contrib.postgres.functions.RandomUUID(),
                editable=False,
                unique=True,
            ),
        ),
    ]
