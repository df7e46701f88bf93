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
    ("slowed", "Left out: not active for long, so fewer marketing emails a week"),
]


class Migration(migrations.Migration):
    dependencies = [("delivery", "0025_evidence_of_an_account")]

    operations = [
        migrations.AlterField(
            model_name=model,
            name="status",
            field=models.CharField(choices=STATUSES, default="queued", max_length=10),
        )
        for model in ("message", "servicemessage")
    ]
