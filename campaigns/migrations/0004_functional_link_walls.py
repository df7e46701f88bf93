from django.db import migrations

from common.rls import force_row_security


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0003_consent_requests_and_functional_links")]

    operations = [force_row_security("campaigns_functionallink")]
