from django.db import migrations

from common.rls import may_be_referred_to, refers_within, refers_within_many

# Temporary tables come last, or whoever may make one could put it before a table that a door reads.
DOORS = """
DO $doors$
DECLARE door text;
BEGIN
    FOR door IN SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'door\\_%'
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, public, pg_temp', door);
    END LOOP;
END $doors$
"""


class Migration(migrations.Migration):
    dependencies = [("privacy", "0004_walls_of_duties"), ("intake", "0010_references_within")]

    operations = [
        migrations.RunSQL(DOORS, migrations.RunSQL.noop),
        may_be_referred_to("privacy_sealedproof"),
        refers_within("privacy_inactivityrule", website_id="websites_website"),
        refers_within("privacy_proofopening", proof_id="privacy_sealedproof"),
        refers_within_many("privacy_freshlink", participant_id="participants_participant"),
        refers_within_many("privacy_receipt", participant_id="participants_participant"),
        refers_within_many("privacy_personrequest", participant_id="participants_participant"),
    ]
