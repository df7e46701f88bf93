import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0004_functional_link_walls"),
        ("intake", "0006_walls_of_moves"),
    ]

    operations = [
        migrations.AddField(
            model_name="entryform",
            name="exit_launch",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="campaigns.launch",
            ),
        ),
    ]
