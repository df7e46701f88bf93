from django.db import migrations

from common.rls import force_row_security

# No unique index but the key of the partition and no random one: a hit costs one append to the heap and two to indexes
# that grow at few places.
HITS = """
CREATE TABLE tracking_hit (
    id bigint GENERATED ALWAYS AS IDENTITY,
    organization_id bigint NOT NULL,
    content_id bigint NOT NULL,
    tracked_message_id bigint NOT NULL,
    kind smallint NOT NULL,
    link_number smallint,
    actor smallint NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (id, received_at)
) PARTITION BY RANGE (received_at);
-- Reports of one email.
CREATE INDEX tracking_hit_content ON tracking_hit (content_id, id);

CREATE FUNCTION tracking_make_hit_month(any_day date) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    month_start date := date_trunc('month', any_day)::date;
    name text := 'tracking_hit_' || to_char(month_start, 'YYYY_MM');
BEGIN
    IF to_regclass('public.' || name) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE format(
        'CREATE TABLE %I PARTITION OF tracking_hit FOR VALUES FROM (%L) TO (%L)',
        name, month_start::timestamp AT TIME ZONE 'UTC', (month_start + interval '1 month')::timestamp AT TIME ZONE 'UTC'
    );
    -- Everybody goes through the parent, where the walls are.
    EXECUTE format('REVOKE ALL ON %I FROM pli_app, pli_recorder, PUBLIC', name);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    RETURN name;
END $$;
REVOKE ALL ON FUNCTION tracking_make_hit_month(date) FROM PUBLIC;
SELECT tracking_make_hit_month((now() + make_interval(months => m))::date) FROM generate_series(-1, 3) AS m;
"""


class Migration(migrations.Migration):
    dependencies = [("tracking", "0001_initial")]

    operations = [
        migrations.RunSQL(HITS, "DROP TABLE tracking_hit; DROP FUNCTION tracking_make_hit_month(date);"),
        force_row_security("tracking_hit", recorder=("INSERT",)),
        force_row_security("tracking_trackedcontent"),
        force_row_security("tracking_trackedmessage", recorder=("SELECT",)),
    ]
