from django.db import migrations

from common.rls import force_row_security


class Migration(migrations.Migration):
    dependencies = [("delivery", "0005_erased_addresses")]

    operations = [force_row_security("delivery_addresskey"), force_row_security("delivery_suppressedhash")]
