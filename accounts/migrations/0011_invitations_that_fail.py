from django.db import migrations, models

from common.rls import create_door

DOOR = ("door_members_to_look_after", "moment timestamptz", "organization_id bigint")
BEFORE = (
    "SELECT i.organization_id FROM accounts_invitation i WHERE i.mailed_at IS NULL OR i.expires_at <= moment"
    " UNION SELECT p.organization_id FROM accounts_impersonation p WHERE p.told_of_end_at IS NULL"
)
AFTER = (
    "SELECT i.organization_id FROM accounts_invitation i"
    " WHERE (i.mailed_at IS NULL AND NOT i.given_up) OR i.expires_at <= moment"
    " UNION SELECT p.organization_id FROM accounts_impersonation p WHERE p.told_of_end_at IS NULL"
)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_smallest_crowd"),
    ]

    operations = [
        migrations.AddField(
            model_name="invitation",
            name="failures",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="invitation",
            name="failed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="invitation",
            name="given_up",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.RunSQL("DROP FUNCTION door_members_to_look_after(timestamptz)", create_door(*DOOR, BEFORE).sql),
        create_door(*DOOR, AFTER),
    ]
