import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("consent", "0014_one_order"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="legaljustification",
            name="dpo_opinion",
            field=models.TextField(blank=True, default="", verbose_name="opinion of the data protection officer"),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="legaljustification",
            name="dpo_opinion_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="legaljustification",
            name="dpo_opinion_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
