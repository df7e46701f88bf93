import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("websites", "0005_default_scopes")]

    operations = [
        migrations.AlterField(
            model_name="website",
            name="consent_scope",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="websites",
                to="websites.consentscope",
                verbose_name="consent scope",
            ),
        ),
        migrations.AlterField(
            model_name="measurementpermission",
            name="scope",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="websites.consentscope",
            ),
        ),
    ]
