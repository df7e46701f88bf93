from django.db import migrations

from common.rls import force_row_security


class Migration(migrations.Migration):
    dependencies = [("consent", "0004_two_people_and_informed")]

    operations = [force_row_security("consent_policyproposal")]
