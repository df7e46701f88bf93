from django.db import migrations

from common.rls import force_row_security

# What hits had added to reports that were gone before anything was kept beside them (rule C11).
TAKE_OVER = """
INSERT INTO reporting_hitpeople (organization_id, content_id, kind, link_number, human_people, unsure_people,
    machine_people, human_hits, unsure_hits, machine_hits)
SELECT organization_id, content_id, kind, link_number, human_people, unsure_people, machine_people, human_hits, 0, 0
  FROM tracking_forgottentotal
"""

# Every counting changes the bits of many rows: with room beside them, no index has to hear of it.
LEAVE_ROOM = "ALTER TABLE reporting_seencopies SET (fillfactor = 50)"


class Migration(migrations.Migration):
    dependencies = [("reporting", "0001_rollups")]

    operations = [
        force_row_security("reporting_hithour"),
        force_row_security("reporting_hitpeople"),
        force_row_security("reporting_seencopies"),
        force_row_security("reporting_countedmailing"),
        force_row_security("reporting_mailingcount"),
        force_row_security("reporting_mailinggroup"),
        migrations.RunSQL(LEAVE_ROOM, "ALTER TABLE reporting_seencopies RESET (fillfactor)"),
        migrations.RunSQL(TAKE_OVER, migrations.RunSQL.noop),
    ]
