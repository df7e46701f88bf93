from django.db import migrations

from common.rls import force_row_security

# One scope for the whole organization, which every website was in without its being said.
FILL = """
INSERT INTO websites_consentscope (organization_id, name, is_default, created_at)
SELECT o.id, left(o.name, 120), true, now() FROM accounts_organization o
 WHERE EXISTS (SELECT FROM websites_website w WHERE w.organization_id = o.id);
UPDATE websites_website w SET consent_scope_id = s.id
  FROM websites_consentscope s WHERE s.organization_id = w.organization_id AND s.is_default;
UPDATE websites_measurementpermission p SET scope_id = w.consent_scope_id
  FROM websites_website w WHERE w.id = p.website_id;
SET CONSTRAINTS ALL IMMEDIATE;
"""


class Migration(migrations.Migration):
    dependencies = [("websites", "0004_what_is_left_for_everybody_else")]

    operations = [
        force_row_security("websites_consentscope"),
        force_row_security("websites_websitestop"),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
