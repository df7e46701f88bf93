from django.db import migrations

from common.rls import create_door, force_row_security


class Migration(migrations.Migration):
    dependencies = [("intake", "0003_participation_pages")]

    operations = [
        force_row_security("intake_entryform"),
        force_row_security("intake_formfield"),
        force_row_security("intake_submission"),
        force_row_security("intake_confirmation"),
        create_door(
            "door_entry_form",
            "wanted uuid",
            "organization_id bigint, form_id bigint",
            "SELECT f.organization_id, f.id FROM intake_entryform f WHERE f.key = wanted",
        ),
        create_door(
            "door_confirmation",
            "wanted uuid",
            "organization_id bigint, confirmation_id bigint",
            "SELECT c.organization_id, c.id FROM intake_confirmation c WHERE c.key = wanted",
        ),
        create_door(
            "door_open_confirmations",
            "",
            "organization_id bigint",
            "SELECT DISTINCT c.organization_id FROM intake_confirmation c"
            " WHERE c.confirmed_at IS NULL AND c.waiting <> '{}'::jsonb",
        ),
    ]
