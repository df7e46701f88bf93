"""Every choice gets its scope, every event its person's random name, its text and its place in a chain."""

import json
from itertools import batched

from django.db import migrations

from common.rls import create_door, force_row_security

# The texts that are hashed never change: what is written here is verified for as long as the rows are kept.
from consent.chain import NOTHING, act_hash, consent_text_hash, event_hash

# Nobody changes what was chosen: not even the owner of the tables, unless a setting says that this is meant. Whoever
# owns a table can take its triggers away; this is against mistakes, and the seals are against the rest.
APPEND_ONLY = """
CREATE OR REPLACE FUNCTION consent_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('app.ledger_maintenance', true) = 'on'
       AND current_user = (SELECT tableowner FROM pg_tables WHERE schemaname = TG_TABLE_SCHEMA AND tablename = TG_TABLE_NAME)
    THEN
        RETURN CASE WHEN TG_OP = 'UPDATE' THEN NEW WHEN TG_OP = 'DELETE' THEN OLD END;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON consent_choiceevent
    FOR EACH STATEMENT EXECUTE FUNCTION consent_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON consent_consenttext
    FOR EACH ROW EXECUTE FUNCTION consent_refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON consent_consenttext
    FOR EACH STATEMENT EXECUTE FUNCTION consent_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON consent_ledgeranchor
    FOR EACH ROW EXECUTE FUNCTION consent_refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON consent_ledgeranchor
    FOR EACH STATEMENT EXECUTE FUNCTION consent_refuse_change();
"""
AS_BEFORE = """
DROP TRIGGER append_only_whole ON consent_ledgeranchor; DROP TRIGGER append_only ON consent_ledgeranchor;
DROP TRIGGER append_only_whole ON consent_consenttext; DROP TRIGGER append_only ON consent_consenttext;
DROP TRIGGER append_only_whole ON consent_choiceevent;
CREATE OR REPLACE FUNCTION consent_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user = 'pli_owner' OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION 'the consent history is append-only';
END $$;
"""

# An organization without a website may have answers, from a file.
SCOPES = """
INSERT INTO websites_consentscope (organization_id, name, is_default, created_at)
SELECT o.id, left(o.name, 120), true, now() FROM accounts_organization o
 WHERE (EXISTS (SELECT FROM consent_choice c WHERE c.organization_id = o.id)
        OR EXISTS (SELECT FROM consent_choiceevent e WHERE e.organization_id = o.id)
        OR EXISTS (SELECT FROM consent_preferencekey k WHERE k.organization_id = o.id))
   AND NOT EXISTS (SELECT FROM websites_consentscope s WHERE s.organization_id = o.id AND s.is_default);
UPDATE consent_choice c SET scope_id = s.id
  FROM websites_consentscope s WHERE s.organization_id = c.organization_id AND s.is_default;
UPDATE consent_preferencekey k SET scope_id = s.id
  FROM websites_consentscope s WHERE s.organization_id = k.organization_id AND s.is_default;
SET LOCAL app.ledger_maintenance = 'on';
UPDATE consent_choiceevent e SET scope_id = s.id, subject = n.subject
  FROM websites_consentscope s,
       (SELECT one.participant_id, coalesce(p.ledger_id, gen_random_uuid()) AS subject
          FROM (SELECT DISTINCT participant_id FROM consent_choiceevent) one
          LEFT JOIN participants_participant p ON p.id = one.participant_id) n
 WHERE s.organization_id = e.organization_id AND s.is_default AND n.participant_id = e.participant_id;
"""
TEXTS = """
SELECT organization_id, left(method, 40), wording, array_agg(DISTINCT kind ORDER BY kind), min(recorded_at)
  FROM consent_choiceevent WHERE wording <> '' GROUP BY 1, 2, 3 ORDER BY 1, 2, 5, 3
"""
EVENTS = """
SELECT e.id, o.public_id, e.subject, e.scope_id, e.kind, e.value, e.source, e.method, e.happened_at, e.recorded_at,
       e.wording, e.organization_id, e.evidence, e.actor_id
  FROM consent_choiceevent e JOIN accounts_organization o ON o.id = e.organization_id ORDER BY e.id
"""
WRITE = """
UPDATE consent_choiceevent e SET seq = n.seq, prev_hash = n.prev_hash, hash = n.hash, consent_text_id = n.text
  FROM unnest(%s::bigint[], %s::int[], %s::bytea[], %s::bytea[], %s::bigint[]) AS n (id, seq, prev_hash, hash, text)
 WHERE e.id = n.id
"""
AT_ONCE = 5000
DOOR_BEFORE = create_door(
    "door_preference_key",
    "wanted uuid",
    "organization_id bigint, participant_id bigint",
    "SELECT k.organization_id, k.participant_id FROM consent_preferencekey k WHERE k.key = wanted",
)


def fill(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(SCOPES)
        texts = keep_texts(apps, cursor, schema_editor.connection.alias)
        cursor.execute(EVENTS)
        heads = {}
        for events in batched(cursor.fetchall(), AT_ONCE):
            rows = [chained(event, heads, texts) for event in events]
            cursor.execute(WRITE, [list(column) for column in zip(*rows, strict=True)])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def keep_texts(apps, cursor, alias):
    """Each wording of the history as a version of its place: its number and its hash."""
    cursor.execute(TEXTS)
    kept, versions = {}, {}
    for organization, place, text, kinds, at in cursor.fetchall():
        version = versions[organization, place] = versions.get((organization, place), 0) + 1
        facts = {"language": "", "place": place, "version": version, "text": text, "asks_for": kinds}
        sha256 = consent_text_hash(website=None, **facts)
        row = apps.get_model("consent", "ConsentText").objects.using(alias)
        kept[organization, place, text] = (
            row.create(organization_id=organization, sha256=sha256, published_at=at, **facts).pk,
            sha256,
        )
    return kept


def chained(event, heads, texts):
    number, public_id, subject, scope, kind, value, source, method, happened_at, recorded_at, *rest = event
    wording, organization, evidence, actor = rest
    text, sha256 = texts.get((organization, method[:40], wording), (None, None))
    act = act_hash(
        organization=public_id,
        source=source,
        method=method,
        happened_at=happened_at,
        recorded_at=recorded_at,
        consent_text=sha256,
        evidence=as_read(evidence),
        actor=actor,
    )
    seq, prev = heads.get((subject, scope), (0, NOTHING))
    head = event_hash(prev=prev, subject=subject, scope=scope, seq=seq + 1, kind=kind, value=value, act=act)
    heads[subject, scope] = (seq + 1, head)
    return number, seq + 1, prev, head, text


def as_read(evidence):
    """A cursor of Django's hands JSON over as text."""
    return json.loads(evidence) if isinstance(evidence, str) else evidence


BACK = """
SET LOCAL app.ledger_maintenance = 'on';
UPDATE consent_choiceevent e SET participant_id = coalesce(p.id, 0)
  FROM consent_choiceevent o LEFT JOIN participants_participant p ON p.ledger_id = o.subject WHERE o.id = e.id;
UPDATE consent_choiceevent e SET wording = t.text FROM consent_consenttext t WHERE t.id = e.consent_text_id;
UPDATE consent_choiceevent SET consent_text_id = NULL;
DELETE FROM consent_ledgeranchor; DELETE FROM consent_consenttext;
SET CONSTRAINTS ALL IMMEDIATE;
"""


def unfill(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(BACK)


class Migration(migrations.Migration):
    dependencies = [("consent", "0007_ledger_tables")]

    operations = [
        force_row_security("consent_consenttext"),
        force_row_security("consent_ledgerkey"),
        force_row_security("consent_ledgeranchor"),
        migrations.RunSQL(APPEND_ONLY, AS_BEFORE),
        migrations.RunSQL(DOOR_BEFORE.reverse_sql, DOOR_BEFORE.sql),
        create_door(
            "door_preference_key",
            "wanted uuid",
            "organization_id bigint, participant_id bigint, scope_id bigint",
            "SELECT k.organization_id, k.participant_id, k.scope_id FROM consent_preferencekey k WHERE k.key = wanted",
        ),
        migrations.RunPython(fill, unfill),
    ]
