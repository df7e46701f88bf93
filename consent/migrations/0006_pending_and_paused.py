from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("consent", "0005_proposal_walls"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="confirmed_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="confirmed"),
        ),
        migrations.AddField(
            model_name="subscription",
            name="paused_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="paused"),
        ),
        migrations.AddField(
            model_name="subscription",
            name="paused_until",
            field=models.DateTimeField(blank=True, null=True, verbose_name="paused until"),
        ),
        migrations.AddField(
            model_name="subscription",
            name="pending_since",
            field=models.DateTimeField(blank=True, null=True, verbose_name="waits for confirmation since"),
        ),
    ]
