from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reporting", "0003_scheduled_reports")]

    operations = [
        migrations.AlterField(
            model_name="mailingcount",
            name="status",
            field=models.CharField(
                choices=[
                    ("queued", "Waiting"),
                    ("claimed", "Being prepared"),
                    ("sending", "Being sent"),
                    ("sent", "Sent"),
                    ("failed", "Failed"),
                    ("suppressed", "Not sent: unsubscribed or unreachable"),
                    ("cancelled", "Cancelled"),
                    ("unknown", "May have been sent"),
                    ("capped", "Left out: had as many marketing emails as a week allows"),
                    ("slowed", "Left out: not active for long, so fewer marketing emails a week"),
                ],
                max_length=10,
            ),
        ),
    ]
