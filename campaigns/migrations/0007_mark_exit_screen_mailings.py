from django.db import migrations

MARK = """
UPDATE delivery_mailing AS mailing SET exit_screen = true
  FROM campaigns_launch launch JOIN campaigns_email email ON email.id = launch.email_id
 WHERE launch.mailing_id = mailing.id AND email.kind = 'exit_screen'
"""


class Migration(migrations.Migration):
    """Mailings that were launched before this was kept with them."""

    dependencies = [
        ("campaigns", "0006_segments_tests_and_repeats"),
        ("delivery", "0018_outside_senders"),
    ]

    operations = [migrations.RunSQL(MARK, migrations.RunSQL.noop)]
