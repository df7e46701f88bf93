from django.db import migrations

from common.rls import force_row_security


class Migration(migrations.Migration):
    dependencies = [("tracking", "0004_totals_and_last_open_day")]

    operations = [
        force_row_security("tracking_anonymouscontent", recorder=("SELECT",)),
        force_row_security("tracking_anonymoustotal", recorder=("SELECT", "INSERT", "UPDATE")),
        force_row_security("tracking_lastopenday", recorder=("SELECT", "INSERT", "UPDATE")),
    ]
