import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("consent", "0012_unsealed_ledgers"),
        ("intake", "0007_exit_launch"),
        ("websites", "0007_moments_of_the_decision"),
    ]

    operations = [
        migrations.AddField(
            model_name="import",
            name="informed",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="import",
            name="informed_notice",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="consent.notice",
            ),
        ),
        migrations.AddField(
            model_name="import",
            name="scope",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="websites.consentscope",
            ),
        ),
    ]
