from django.db import migrations

from common.rls import create_door, force_row_security


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        force_row_security("accounts_organization", column="id"),
        force_row_security("accounts_membership"),
        create_door(
            "door_memberships_of_user",
            "person bigint",
            "organization_id bigint, membership_id bigint",
            "SELECT m.organization_id, m.id FROM accounts_membership m WHERE m.user_id = person ORDER BY m.id",
        ),
    ]
