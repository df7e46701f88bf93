from django.db import migrations, models


class Migration(migrations.Migration):
    # What was written before keeps the keys that it has.
    dependencies = [("delivery", "0027_one_built_in_connection")]

    operations = [
        migrations.AlterField(
            model_name="message",
            name="reference",
            field=models.UUIDField(null=True),
        ),
        migrations.AlterField(
            model_name="message",
            name="unsubscribe_key",
            field=models.UUIDField(null=True),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.UniqueConstraint(
                condition=models.Q(("reference__isnull", False)), fields=("reference",), name="message_reference"
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.UniqueConstraint(
                condition=models.Q(("unsubscribe_key__isnull", False)),
                fields=("unsubscribe_key",),
                name="message_unsubscribe_key",
            ),
        ),
    ]
