import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("privacy", "0005_references_within"),
    ]

    operations = [
        migrations.AddField(
            model_name="inactivityrule",
            name="slow_months",
            field=models.PositiveSmallIntegerField(default=6),
        ),
        migrations.AddField(
            model_name="inactivityrule",
            name="slow_cap",
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.AddField(
            model_name="inactivityrule",
            name="slow_on_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="inactivityrule",
            name="slow_on_by",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
