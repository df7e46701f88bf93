from django.db import migrations

from common.rls import create_door


class Migration(migrations.Migration):
    dependencies = [("consent", "0011_subscription_register_walls")]

    operations = [
        create_door(
            "door_unsealed_ledgers",
            "",
            "organization_id bigint",
            "SELECT o.id FROM accounts_organization o"
            " WHERE EXISTS (SELECT FROM consent_choiceevent e WHERE e.organization_id = o.id AND e.id > coalesce("
            "(SELECT max(a.up_to_id) FROM consent_ledgeranchor a WHERE a.organization_id = o.id), 0))",
        )
    ]
