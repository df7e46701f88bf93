from django.db import migrations

from common.rls import create_door

# A partition made apart and attached takes no lock that stops hits, unlike CREATE TABLE … PARTITION OF.
MAKE_MONTH = """
CREATE OR REPLACE FUNCTION tracking_make_hit_month(any_day date) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    month_start date := date_trunc('month', any_day)::date;
    name text := 'tracking_hit_' || to_char(month_start, 'YYYY_MM');
BEGIN
    IF to_regclass('public.' || name) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE tracking_hit INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    -- Everybody goes through the parent, where the walls are.
    EXECUTE format('REVOKE ALL ON %I FROM pli_app, pli_recorder, PUBLIC', name);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format(
        'ALTER TABLE tracking_hit ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        name, month_start::timestamp AT TIME ZONE 'UTC', (month_start + interval '1 month')::timestamp AT TIME ZONE 'UTC'
    );
    RETURN name;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("tracking", "0002_hits_and_walls"), ("websites", "0001_initial")]

    operations = [
        migrations.RunSQL(MAKE_MONTH, migrations.RunSQL.noop),
        create_door(
            "door_tracking_domains",
            "",
            "organization_id bigint, domain text",
            "SELECT DISTINCT w.organization_id, lower(w.tracking_domain) FROM websites_website w"
            " WHERE w.tracking_domain <> ''",
        ),
    ]
