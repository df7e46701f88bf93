from django.db import migrations, models

STATUSES = [
    ("queued", "Waiting"),
    ("claimed", "Being prepared"),
    ("sending", "Being sent"),
    ("sent", "Sent"),
    ("failed", "Failed"),
    ("suppressed", "Not sent: unsubscribed or unreachable"),
    ("cancelled", "Cancelled"),
    ("unknown", "May have been sent"),
    ("capped", "Left out: had as many marketing emails as a week allows"),
]


class Migration(migrations.Migration):
    dependencies = [("delivery", "0014_walls_of_messages_by_call")]

    operations = [
        migrations.AddField(
            model_name="message",
            name="held_for",
            field=models.CharField(
                blank=True,
                choices=[
                    ("zone", "For the time in the person's time zone"),
                    ("quiet", "For the end of the quiet hours"),
                    ("cap", "For the week's number of marketing emails per person"),
                ],
                db_default="",
                default="",
                max_length=8,
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="status",
            field=models.CharField(choices=STATUSES, default="queued", max_length=10),
        ),
        migrations.AddField(model_name="servicemessage", name="mime", field=models.BinaryField(null=True)),
        migrations.AlterField(
            model_name="servicemessage",
            name="status",
            field=models.CharField(choices=STATUSES, default="queued", max_length=10),
        ),
    ]
