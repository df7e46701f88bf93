from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("participants", "0002_walls")]

    operations = [
        migrations.RemoveIndex(model_name="participant", name="participant_external_id"),
        migrations.AddIndex(
            model_name="participant",
            index=models.Index(
                fields=["external_id", "organization"],
                name="participant_external_id",
                condition=models.Q(("external_id", ""), _negated=True),
            ),
        ),
    ]
