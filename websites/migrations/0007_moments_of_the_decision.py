from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("websites", "0006_scope_required")]

    operations = [
        migrations.RemoveField(model_name="measurementpermission", name="informed_by"),
        migrations.RemoveField(model_name="measurementpermission", name="informed_collected_before"),
        migrations.AddField(
            model_name="measurementpermission",
            name="informed_before",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="measurementpermission",
            name="informed_collected_before",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="measurementpermission",
            name="until",
            field=models.DateTimeField(null=True),
        ),
    ]
