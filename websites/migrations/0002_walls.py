from django.db import migrations

from common.rls import force_row_security


class Migration(migrations.Migration):
    dependencies = [("websites", "0001_initial")]

    operations = [
        force_row_security("websites_website"),
        force_row_security("websites_emailtrackingversion"),
        force_row_security("websites_measurementpermission", recorder=("SELECT",)),
    ]
