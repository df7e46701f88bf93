from django.db import migrations

from common.rls import force_row_security


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0001_initial")]

    operations = [
        force_row_security("campaigns_campaign"),
        force_row_security("campaigns_participation"),
        force_row_security("campaigns_email"),
        force_row_security("campaigns_launch"),
    ]
