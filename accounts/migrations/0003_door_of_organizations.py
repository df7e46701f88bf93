from django.db import migrations

from common.rls import create_door


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_walls")]

    operations = [
        # For what is done every night for each of them.
        create_door("door_organizations", "", "organization_id bigint", "SELECT id FROM accounts_organization"),
    ]
