"""Websites, people with their answers, and tracked messages, made in the database for the benches of hits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from bench.support import say

# Two organizations with five websites each, of which some are By consent and some Always, for people of 26 countries.
# Half of the people said yes; the others never answered, and hear from Always websites only.
PEOPLE = """
INSERT INTO accounts_organization (id, public_id, name, legal_name, legal_address, created_at, timezone)
SELECT n, gen_random_uuid(), 'Organization ' || n, '', '', now(), 'UTC' FROM generate_series(1, 2) n;

INSERT INTO websites_consentscope (id, organization_id, name, is_default, created_at)
SELECT n, n, 'Organization ' || n, true, now() FROM generate_series(1, 2) n;

INSERT INTO websites_website (id, organization_id, name, domain, country, declared_country, tracking_domain,
    sender_name, sender_email, email_tracking, consent_scope_id, for_professionals, opens_fallback, clicks_fallback,
    created_at)
SELECT n, 1 + n % 2, 'Website ' || n, 'www.example', 'BE', '', '', '', 'news@www.example',
    CASE WHEN n <= 5 THEN 'by_consent' ELSE 'always' END, 1 + n % 2, false, 'none', 'none', now()
FROM generate_series(1, 10) n;

INSERT INTO websites_measurementpermission (organization_id, website_id, scope_id, country, opens_basis,
    opens_with_yes_since, opens_unless_no_since, clicks_basis, clicks_with_yes_since, clicks_unless_no_since)
SELECT w.organization_id, w.id, w.consent_scope_id, 'C' || chr(65 + c), '', year_ago, always, '', year_ago, always
FROM websites_website w, generate_series(0, 25) c, LATERAL (SELECT now() - interval '1 year' AS year_ago) y,
    LATERAL (SELECT CASE WHEN w.email_tracking = 'always' THEN year_ago END AS always) a;

INSERT INTO tracking_trackedcontent (id, organization_id, website_id, links)
SELECT 10 * w.id + n, w.organization_id, w.id, '[]' FROM websites_website w, generate_series(0, 9) n;

INSERT INTO participants_participant (id, organization_id, email, email_norm, country, locale, first_name, last_name,
    external_id, attributes, created_at, updated_at)
SELECT n, 1 + n % 2, n || '@www.example', n || '@www.example', '', '', '', '', '', '{{}}', now(), now()
FROM generate_series(1, {people}) n;

INSERT INTO consent_choice (organization_id, participant_id, scope_id, opens, opens_source, opens_yes_since,
    opens_not_no_since, clicks, clicks_source, clicks_yes_since, clicks_not_no_since)
SELECT p.organization_id, p.id, p.organization_id, 'yes', 'person', since, since, 'yes', 'person', since, since
FROM participants_participant p, LATERAL (SELECT now() - interval '200 days' AS since) s
WHERE p.id / 2 % 2 = 0
"""

# Columns of a tracked message: copy number ``copy`` of person ``p``, from a website that may measure them.
MESSAGE = """
SELECT p.organization_id, 10 * website + p.id / 16 % 10 AS content_id, website AS website_id, p.id AS participant_id,
    'C' || chr(65 + (p.id % 26)::int) AS country, 'individual' AS opens, 'individual' AS clicks,
    now() - make_interval(days => (p.id % 90)::int) AS decided_at
FROM (SELECT p.id / 8 + copy AS turn) t,
    LATERAL (SELECT CASE
        WHEN p.id % 4 = 0 THEN (ARRAY[2, 4, 6, 8, 10])[1 + turn % 5]
        WHEN p.id % 4 = 1 THEN (ARRAY[1, 3, 5, 7, 9])[1 + turn % 5]
        WHEN p.id % 4 = 2 THEN (ARRAY[6, 8, 10])[1 + turn % 3]
        ELSE (ARRAY[7, 9])[1 + turn % 2] END AS website) w
"""

# Everybody gets two copies.
MESSAGES = f"""
INSERT INTO tracking_trackedmessage (organization_id, content_id, website_id, participant_id, country, opens, clicks,
    decided_at, key)
SELECT m.*, gen_random_uuid() FROM generate_series(0, 1) copy, participants_participant p, LATERAL ({MESSAGE}) m
"""


def fill_people(database: psycopg.Connection[Any], people: int) -> None:
    for statement in PEOPLE.format(people=people).split(";"):
        database.execute(statement)


def fill(database: psycopg.Connection[Any], messages: int, keys: Path) -> None:
    say(f"making {messages} tracked messages")
    fill_people(database, messages // 2)
    database.execute(MESSAGES)
    with database.cursor() as cursor, keys.open("wb") as file:
        # As common.keys.encode_key writes them.
        query = (
            "SELECT rtrim(translate(encode(uuid_send(key), 'base64'), '+/', '-_'), '=') FROM tracking_trackedmessage"
        )
        with cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
            for data in copy:
                file.write(data)
    database.execute("VACUUM ANALYZE")
