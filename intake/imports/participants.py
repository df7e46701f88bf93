"""A chunk of people: new ones are made, known ones get what the file says about them.

COPY cannot write to a table behind row-level security, so a chunk is copied into a temporary table and goes on from
there as sets. Each statement is one pass over the chunk; nothing is asked per row.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from accounts.models import Organization
from consent.imports import VERDICTS_TABLE, Answers, record_choices, subscribe_people
from consent.models import Basis, Topic
from consent.rules import Kind, Verdict
from consent.services import apply_move
from delivery.refusals import erased_addresses, keeps_addresses_out
from intake.models import Import
from intake.moving import list_unproven
from intake.proven import forget_hits_of_refusals
from intake.readers.participants import COLUMNS
from intake.readers.rows import Chunk, Listed
from intake.rules import CONSENT_FIELDS, Issue
from tracking.services import change_participant_countries

# The planner knows nothing about a temporary table, and little about a table that is just being filled: left to itself
# it once compared every row of the chunk with every person. One look into an index per row is always right here; so
# big tables are asked for the numbers of the chunk (= ANY) before they are joined, in whatever order that is.
PIN_PLANS = """
SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_material = off;
SET LOCAL enable_seqscan = off; SET LOCAL jit = off"""

_CREATE = """
DROP TABLE IF EXISTS pg_temp.intake_row, pg_temp.intake_person;
CREATE TEMP TABLE intake_row (
    row_no int, email text, email_norm text, country text, locale text, first_name text, last_name text,
    external_id text, attributes jsonb, opens text, clicks text, ledger_id uuid
) ON COMMIT DROP"""
_COPY = f"COPY intake_row ({', '.join(COLUMNS)}) FROM STDIN (NULL '')"

# The chunk comes in the order of the addresses, and so do the looks into their index. New people get their number here.
_FIND = """
CREATE TEMP TABLE intake_person ON COMMIT DROP AS
SELECT r.row_no, r.email, r.email_norm, r.country, r.locale, r.first_name, r.last_name, r.external_id, r.attributes,
       r.opens, r.clicks, p.id IS NULL AS is_new,
       coalesce(p.id, nextval('participants_participant_id_seq')) AS participant_id,
       coalesce(p.ledger_id, r.ledger_id) AS ledger_id,
       coalesce(p.country <> r.country, false) AS moves,
       coalesce(p.email <> r.email, false) OR coalesce(p.country <> r.country, false)
       OR coalesce(p.locale <> r.locale, false) OR coalesce(p.first_name <> r.first_name, false)
       OR coalesce(p.last_name <> r.last_name, false) OR coalesce(p.external_id <> r.external_id, false)
       OR coalesce(NOT p.attributes @> r.attributes, false) AS changes
  FROM intake_row r
  LEFT JOIN participants_participant p ON p.organization_id = %(organization)s AND p.email_norm = r.email_norm"""

# The same where nobody is expected to be known: whoever is, makes _INSERT fail, and the chunk is looked up after all.
_CREATE_NEW = """
DROP TABLE IF EXISTS pg_temp.intake_person;
CREATE TEMP TABLE intake_person (
    row_no int, email text, email_norm text, country text, locale text, first_name text, last_name text,
    external_id text, attributes jsonb, opens text, clicks text, ledger_id uuid, is_new boolean DEFAULT true,
    participant_id bigint DEFAULT nextval('participants_participant_id_seq'),
    moves boolean DEFAULT false,
    changes boolean DEFAULT false
) ON COMMIT DROP"""
_COPY_NEW = f"COPY intake_person ({', '.join(COLUMNS)}) FROM STDIN (NULL '')"

_INDEX = "CREATE UNIQUE INDEX IF NOT EXISTS intake_person_id ON intake_person (participant_id)"

_LOOK = """
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE changes), count(*) FILTER (WHERE moves)
  FROM intake_person"""

_NEW = "SELECT email_norm FROM intake_person WHERE is_new"

# Held until the end, so that nobody moves them elsewhere meanwhile.
_MOVING = """
SELECT p.id, p.country, i.country FROM participants_participant p JOIN intake_person i ON i.participant_id = p.id
 WHERE p.id = ANY(ARRAY(SELECT participant_id FROM intake_person WHERE moves)) ORDER BY p.id FOR NO KEY UPDATE OF p"""

_UPDATE = """
UPDATE participants_participant AS p
   SET email = i.email,
       country = CASE WHEN i.moves THEN i.country ELSE p.country END,
       locale = coalesce(i.locale, p.locale),
       first_name = coalesce(i.first_name, p.first_name),
       last_name = coalesce(i.last_name, p.last_name),
       external_id = coalesce(i.external_id, p.external_id),
       attributes = p.attributes || coalesce(i.attributes, '{}'),
       updated_at = %(now)s
  FROM intake_person i
 WHERE p.id = ANY(ARRAY(SELECT participant_id FROM intake_person WHERE changes)) AND i.participant_id = p.id"""

_INSERT = """
INSERT INTO participants_participant (id, organization_id, email, email_norm, country, locale, first_name, last_name,
                                      external_id, attributes, created_at, updated_at, ledger_id)
SELECT participant_id, %(organization)s, email, email_norm, coalesce(country, ''), coalesce(locale, ''),
       coalesce(first_name, ''), coalesce(last_name, ''), coalesce(external_id, ''), coalesce(attributes, '{}'),
       %(now)s, %(now)s, ledger_id
  FROM intake_person WHERE is_new"""


@dataclass(frozen=True, slots=True)
class _Work:
    """One chunk on its way, with what all of its steps need."""

    organization: Organization
    source: Import
    now: datetime
    counts: Counter[str] = field(default_factory=Counter)
    listed: list[Listed] = field(default_factory=list)

    def execute(self, query: str, values: dict[str, Any] | None = None) -> int:
        with connection.cursor() as cursor:
            cursor.execute(query, {"organization": self.organization.pk, "now": self.now, **(values or {})})
            return int(cursor.rowcount)

    def fetch(self, query: str, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(query, {"organization": self.organization.pk, **(values or {})})
            return cursor.fetchall()


def store_participants(
    organization: Organization,
    source: Import,
    chunk: Chunk,
    *,
    answers: Answers,
    now: datetime,
    all_new: bool = False,
) -> tuple[Counter[str], list[Listed]]:
    """Write the people of a chunk and what the file says about them. Inside a transaction.

    Says what was done, and what is to be listed about rows. Does not touch the import itself. ``all_new`` spares
    looking for each of them; raises IntegrityError when somebody is known all the same.
    """
    work = _Work(organization, source, now)
    if all_new:
        copy_chunk(chunk, create=_CREATE_NEW, copy=_COPY_NEW)
        people = chunk.people - _leave_out_erased(work)
        created, updated, moving = people, 0, 0
    else:
        copy_chunk(chunk, create=_CREATE, copy=_COPY)
        work.execute(_FIND)
        people = chunk.people - _leave_out_erased(work)
        ((created, updated, moving),) = work.fetch(_LOOK)
    work.counts.update(created=created, updated=updated, unchanged=people - created - updated)
    if created < people:
        work.execute(_INDEX)
    if moving:
        _move_people(work)
    if updated:
        work.execute(_UPDATE)
    if created:
        work.execute(_INSERT)
    if any(target in CONSENT_FIELDS for target in source.mapping.values()):
        _record_answers(work, answers, people=people, all_new=all_new)
    if source.topic is not None:
        _subscribe(work, source.topic)
    if source.campaign is not None:
        work.counts["participations"] = work.execute(
            _JOIN_CAMPAIGN, {"campaign": source.campaign_id, "source": source.filename[:120]}
        )
    return work.counts, work.listed


def _leave_out_erased(work: _Work) -> int:
    """Nobody brings an erased person back but themselves (rule D2). Says how many rows were theirs.

    Asked after the people of the chunk were looked up: somebody who was erased since then is not found as new.
    They are counted and not listed, since the list would hold their address again.
    """
    if not keeps_addresses_out(work.organization):
        return 0
    erased = erased_addresses(work.organization, [norm for (norm,) in work.fetch(_NEW)])
    if erased:
        work.execute("DELETE FROM intake_person WHERE email_norm = ANY(%(erased)s)", {"erased": list(erased)})
        work.counts["erased"] = len(erased)
    return len(erased)


def copy_chunk(chunk: Chunk, *, create: str, copy: str) -> None:
    """Make the temporary table of a chunk and fill it."""
    with connection.cursor() as cursor:
        cursor.execute(PIN_PLANS)
        cursor.execute(create)
        with cursor.copy(copy) as rows:
            rows.write(chunk.text)


def _move_people(work: _Work) -> None:
    """Sent copies follow people to other countries and are lowered where those permit less (rules S5, H1)."""
    moving = {person: country for person, before, country in work.fetch(_MOVING) if country != before}
    if moving:
        change_participant_countries(work.organization, moving)
        apply_move(work.organization, list(moving), now=work.now)
        work.counts["moved"] = len(moving)


# --- What people chose ----------------------------------------------------------------------------------------------

_LISTED_VERDICTS = {
    Verdict.NO_PROVENANCE: Issue.YES_WITHOUT_PROVENANCE,
    Verdict.KEPT_PERSONS_OWN: Issue.KEPT_PERSONS_OWN,
    Verdict.KEPT_NEWER: Issue.KEPT_NEWER,
    Verdict.KEPT_NO: Issue.KEPT_NO,
}

_VERDICTS = f"""
SELECT i.row_no, k.kind, i.email, k.verdict
  FROM {VERDICTS_TABLE} a
  JOIN intake_person i ON i.participant_id = a.participant_id
 CROSS JOIN LATERAL (VALUES ('opens', a.opens_verdict), ('clicks', a.clicks_verdict)) AS k (kind, verdict)
 WHERE k.verdict = ANY(%(verdicts)s) ORDER BY i.row_no, k.kind DESC"""  # noqa: S608 - made of constants


def _record_answers(work: _Work, answers: Answers, *, people: int, all_new: bool) -> None:
    verdicts = record_choices(
        work.organization, table="intake_person", answers=answers, now=work.now, made_here=all_new
    )
    work.counts["choices_recorded"] = verdicts[Verdict.APPLIED]
    kept = {issue: verdicts[verdict] for verdict, issue in _LISTED_VERDICTS.items() if verdicts[verdict]}
    work.counts.update(kept)
    if verdicts[Verdict.NO_PROVENANCE]:
        list_unproven(work.organization, now=work.now, source_import=work.source)
    if kept:
        work.execute(_INDEX)
        _list_verdicts(work)
    if verdicts[Verdict.APPLIED] and work.counts["created"] < people:
        # New people cannot have been measured.
        forget_hits_of_refusals(work.organization)


def _list_verdicts(work: _Work) -> None:
    columns = {target: column for column, target in work.source.mapping.items() if target in CONSENT_FIELDS}
    own = {kind: columns.get(f"consent_email_{kind}") or columns.get("consent_email_tracking", "") for kind in Kind}
    rows = work.fetch(_VERDICTS, {"verdicts": [verdict.value for verdict in _LISTED_VERDICTS]})
    # A column that holds both kinds is listed once.
    work.listed.extend(
        dict.fromkeys(
            Listed(row, own[Kind(kind)], email, _LISTED_VERDICTS[Verdict(verdict)])
            for row, kind, email, verdict in rows
        )
    )


# --- What people get and take part in -------------------------------------------------------------------------------

# Somebody whose address an older tool, or this one, stopped writing to is not subscribed by a file.
_SUBSCRIBERS = """
DROP TABLE IF EXISTS pg_temp.intake_subscriber;
CREATE TEMP TABLE intake_subscriber ON COMMIT DROP AS
SELECT i.participant_id FROM intake_person i
 WHERE NOT EXISTS (SELECT FROM delivery_suppression s
                    WHERE s.organization_id = %(organization)s AND s.email_norm = i.email_norm)"""

_NOT_SUBSCRIBED = """
SELECT i.row_no, i.email
  FROM intake_person i
  LEFT JOIN consent_subscription s ON s.participant_id = i.participant_id AND s.topic_id = %(topic)s
 WHERE s.unsubscribed_at IS NOT NULL OR s.id IS NULL ORDER BY i.row_no"""

_JOIN_CAMPAIGN = """
INSERT INTO campaigns_participation (organization_id, campaign_id, participant_id, participated_at, source)
SELECT %(organization)s, %(campaign)s, participant_id, %(now)s, %(source)s FROM intake_person
    ON CONFLICT (campaign_id, participant_id) DO NOTHING"""


def _subscribe(work: _Work, topic: Topic) -> None:
    source = work.source
    work.execute(_SUBSCRIBERS)
    made = subscribe_people(
        work.organization,
        topic,
        table="intake_subscriber",
        basis=Basis(source.basis),
        source=source.subscription_source,
        wording=source.subscription_wording,
        now=work.now,
        evidence={"import": source.pk},
        actor=source.created_by,
    )
    refused = work.fetch(_NOT_SUBSCRIBED, {"topic": topic.pk})
    people = work.counts["created"] + work.counts["updated"] + work.counts["unchanged"]
    work.counts["subscribed"] = made
    work.counts["subscribed_already"] = people - made - len(refused)
    work.counts[Issue.NOT_RESUBSCRIBED] = len(refused)
    column = next(column for column, target in source.mapping.items() if target == "email")
    work.listed.extend(Listed(row, column, email, Issue.NOT_RESUBSCRIBED) for row, email in refused)
