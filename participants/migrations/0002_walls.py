from django.db import migrations

from common.rls import force_row_security


class Migration(migrations.Migration):
    dependencies = [("participants", "0001_initial")]

    operations = [force_row_security("participants_participant")]
