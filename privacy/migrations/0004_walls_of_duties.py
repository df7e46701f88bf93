from django.db import migrations

from common.rls import create_door, force_row_security

TABLES = (
    "personrequest",
    "keeping",
    "keepingrun",
    "sealedproof",
    "proofopening",
    "inactivityrule",
    "inactivitycheck",
    "organizationexport",
    "departure",
)


class Migration(migrations.Migration):
    dependencies = [("privacy", "0003_duties")]

    operations = [
        *(force_row_security(f"privacy_{table}") for table in TABLES),
        create_door(
            "door_inactivity_check",
            "wanted uuid",
            "organization_id bigint, check_id bigint",
            "SELECT c.organization_id, c.id FROM privacy_inactivitycheck c WHERE c.key = wanted",
        ),
    ]
