from django.db import migrations

from common.rls import create_door, force_row_security

# A statement-level trigger for TRUNCATE; row-level for the rest. The owner role keeps the right for erasure and tests.
APPEND_ONLY = """
CREATE FUNCTION consent_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user = 'pli_owner' OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION 'the consent history is append-only';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON consent_choiceevent
    FOR EACH ROW EXECUTE FUNCTION consent_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("consent", "0001_initial")]

    operations = [
        force_row_security("consent_topic"),
        force_row_security("consent_subscription"),
        force_row_security("consent_choice", recorder=("SELECT",)),
        force_row_security("consent_choiceevent"),
        force_row_security("consent_preferencekey"),
        force_row_security("consent_notice"),
        force_row_security("consent_legaljustification"),
        migrations.RunSQL(
            APPEND_ONLY,
            "DROP TRIGGER append_only ON consent_choiceevent; DROP FUNCTION consent_refuse_change();",
        ),
        create_door(
            "door_preference_key",
            "wanted uuid",
            "organization_id bigint, participant_id bigint",
            "SELECT k.organization_id, k.participant_id FROM consent_preferencekey k WHERE k.key = wanted",
        ),
        create_door(
            "door_justified_websites",
            "",
            "organization_id bigint, website_id bigint",
            "SELECT DISTINCT j.organization_id, j.website_id FROM consent_legaljustification j"
            " WHERE j.confirmed_at IS NOT NULL AND j.withdrawn_at IS NULL",
        ),
    ]
