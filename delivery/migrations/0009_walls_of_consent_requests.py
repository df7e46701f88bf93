from django.db import migrations

from common.rls import force_row_security


class Migration(migrations.Migration):
    dependencies = [("delivery", "0008_consent_requests")]

    operations = [force_row_security("delivery_consentrequest")]
