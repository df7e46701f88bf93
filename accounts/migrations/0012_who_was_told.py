from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0011_invitations_that_fail")]

    operations = [
        migrations.AddField(model_name="impersonation", name="told", field=models.JSONField(default=dict)),
    ]
