from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0011_walls_of_connections"),
    ]

    operations = [
        migrations.AddField(
            model_name="connection",
            name="mailbox_read_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="connection",
            name="mailbox_words",
            field=models.CharField(blank=True, max_length=500),
        ),
    ]
