from django.db import migrations

from common.rls import may_be_referred_to, refers_within


class Migration(migrations.Migration):
    dependencies = [("consent", "0012_unsealed_ledgers"), ("websites", "0008_references_within")]

    operations = [
        may_be_referred_to("consent_topic", "consent_notice", "consent_ledgerkey"),
        refers_within("consent_legaljustification", website_id="websites_website"),
        refers_within("consent_topic", website_id="websites_website"),
        refers_within("consent_notice", website_id="websites_website"),
        refers_within("consent_policyproposal", website_id="websites_website"),
        refers_within("consent_consenttext", website_id="websites_website"),
        refers_within("consent_ledgeranchor", key_id="consent_ledgerkey"),
    ]
