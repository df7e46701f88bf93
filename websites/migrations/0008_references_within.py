from django.db import migrations

from common.rls import may_be_referred_to, refers_within

REFUSE = """
CREATE FUNCTION refuse_foreign_reference() RETURNS trigger LANGUAGE plpgsql AS $refuse$
DECLARE
    wanted bigint := (to_jsonb(NEW) ->> TG_ARGV[0])::bigint;
    found boolean;
BEGIN
    EXECUTE format('SELECT true FROM %I WHERE id = $1 AND organization_id = $2', TG_ARGV[1])
        INTO found USING wanted, NEW.organization_id;
    IF wanted IS NOT NULL AND found IS NOT TRUE THEN
        RAISE EXCEPTION '% of % is not of the same organization', TG_ARGV[0], TG_TABLE_NAME
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $refuse$
"""


class Migration(migrations.Migration):
    dependencies = [("websites", "0007_moments_of_the_decision")]

    operations = [
        migrations.RunSQL(REFUSE, "DROP FUNCTION refuse_foreign_reference()"),
        may_be_referred_to("websites_website", "websites_consentscope"),
        refers_within("websites_website", consent_scope_id="websites_consentscope"),
        refers_within(
            "websites_measurementpermission", scope_id="websites_consentscope", website_id="websites_website"
        ),
        refers_within("websites_emailtrackingversion", website_id="websites_website"),
        refers_within("websites_websitestop", website_id="websites_website"),
    ]
