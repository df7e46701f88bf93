"""Moves answers into the native tracking consent: from an attribute of one's own, or yeses whose evidence came later.

Carried out in chunks of people, each in a transaction of its own with how far the move got; may be killed at any moment
and run again. What fails by itself says so on its page, and goes on from there when somebody asks for it. Every answer
goes through ``record_choices``: a person's own act outranks it (C6), and without provenance a yes stays unknown and is
listed (C7).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Organization, User
from common.jobs import after_commit
from common.tenancy import tenant
from consent.imports import VERDICTS_TABLE, Answers, ChoicesChanged, judge_choices, record_choices
from consent.rules import Verdict
from intake.models import ConsentMove, Import, ImportState, MoveOrigin, UnprovenYes
from intake.proven import answers_of, forget_hits_of_refusals
from intake.rules import PROVENANCE, has_provenance, missing_provenance
from websites.models import ConsentScope

logger = logging.getLogger(__name__)

CHUNK = 20_000
TRIES = 5
QUIET = timedelta(seconds=60)
# More different answers than that are no yes and no.
MOST_VALUES = 200


class MoveRefused(Exception):  # noqa: N818 - the words of the person who is refused, not a fault
    """A move that cannot be made; the message is for the person who asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovePlan:
    """What a member decides: which attribute, what its values mean, for what and where, and where they come from."""

    attribute: str
    scope: ConsentScope
    mapping: Mapping[str, str]
    opens: bool = True
    clicks: bool = True
    # intake.rules.PROVENANCE
    provenance: Mapping[str, str] = field(default_factory=dict)


def try_move(organization: Organization, plan: MovePlan, *, author: User | None, now: datetime) -> dict[str, int]:
    """What a move would do, by verdict, without doing it."""
    move = _planned(organization, plan, author=author, now=now)
    with tenant(organization.pk), transaction.atomic():
        people, _last = _make_table(move, limit=None)
        verdicts = judge_choices(organization, table="intake_move", answers=_answers(move, now), now=now)
    return {"people": people, **{verdict.value: count for verdict, count in verdicts.items()}}


def start_move(organization: Organization, plan: MovePlan, *, author: User | None, now: datetime) -> ConsentMove:
    """Have a worker carry out a move."""
    move = _planned(organization, plan, author=author, now=now)
    move.save()
    audit.record(organization, actor=author, action="consent:move", target=f"move {move.pk}", now=now)
    after_commit("intake.run_move", organization_id=organization.pk, move_id=move.pk)
    return move


def add_evidence(
    organization: Organization, listed: Import | ConsentMove, *, provenance: Mapping[str, str], author: User | None,
    now: datetime,
) -> ConsentMove:  # fmt: skip
    """Say later where yeses came from that were listed without; they count from now on (C7)."""
    if missing_provenance(provenance):
        raise MoveRefused(_("All of it is needed: where, when, the wording, the evidence, and who vouches."))
    own = {"source_import": listed} if isinstance(listed, Import) else {"source_move": listed}
    waiting = UnprovenYes.objects.filter(organization=organization, **own)
    first = waiting.select_related("scope").first()
    if first is None:
        raise MoveRefused(_("No yes waits for its evidence here."))
    move = ConsentMove.objects.create(
        organization=organization,
        origin=MoveOrigin.UNPROVEN,
        scope=first.scope,
        provenance=_whole(provenance),
        created_by=author,
        created_at=now,
        **own,
    )
    audit.record(organization, actor=author, action="consent:evidence", target=f"move {move.pk}", now=now)
    after_commit("intake.run_move", organization_id=organization.pk, move_id=move.pk)
    return move


def _planned(organization: Organization, plan: MovePlan, *, author: User | None, now: datetime) -> ConsentMove:
    if plan.scope.organization_id != organization.pk:
        raise MoveRefused(_("This consent scope is not one of yours."))
    if not (plan.opens or plan.clicks):
        raise MoveRefused(_("Say whether the answers are about opens, clicks or both."))
    mapping = {value: answer for value, answer in plan.mapping.items() if answer in ("yes", "no")}
    if not mapping:
        raise MoveRefused(_("Say of at least one value that it means yes or no."))
    return ConsentMove(
        organization=organization,
        origin=MoveOrigin.ATTRIBUTE,
        attribute=plan.attribute,
        scope=plan.scope,
        opens=plan.opens,
        clicks=plan.clicks,
        mapping=mapping,
        provenance=_whole(plan.provenance),
        created_by=author,
        created_at=now,
    )


def _whole(provenance: Mapping[str, str]) -> dict[str, str]:
    """All of it or nothing: a part proves nothing."""
    return {part: provenance[part].strip() for part in PROVENANCE} if has_provenance(provenance) else {}


# --- Carrying it out --------------------------------------------------------------------------------------------------


def run_move(organization_id: int, move_id: int, *, clock: Callable[[], datetime] = timezone.now) -> ConsentMove:
    """Move what is not moved yet."""
    if not _claim(organization_id, move_id, now=clock()):
        return _load(organization_id, move_id)
    try:
        while _run_chunk(organization_id, move_id, clock):
            pass
    except OperationalError:
        # The database is away, so nothing can be written down either. Found again when it is back.
        raise
    except Exception:
        _note_failure(organization_id, move_id, now=clock())
        raise
    return _load(organization_id, move_id)


def _note_failure(organization_id: int, move_id: int, *, now: datetime) -> None:
    """It would fail again: somebody has to know, and it is not tried for ever."""
    with tenant(organization_id):
        move = ConsentMove.objects.select_for_update(of=("self",)).select_related("created_by").filter(pk=move_id)
        current = move.first()
        if current is None or current.state != ImportState.RUNNING:
            return
        with translation.override((current.created_by and current.created_by.locale) or settings.LANGUAGE_CODE):
            current.message = _("An error of ours stopped the move. What is counted here is moved; the rest is not.")
        current.state, current.finished_at = ImportState.FAILED, now
        current.save(update_fields=["state", "finished_at", "message"])


def continue_move(organization: Organization, move: ConsentMove, *, now: datetime) -> ConsentMove:
    """Go on with a move that was stopped by an error, with the people who are not moved yet."""
    with transaction.atomic():
        current = ConsentMove.objects.select_for_update(of=("self",)).get(organization=organization, pk=move.pk)
        if not may_continue_move(current):
            raise MoveRefused(_("This move cannot go on."))
        current.state, current.finished_at, current.message = ImportState.QUEUED, None, ""
        current.heartbeat_at = now
        current.save(update_fields=["state", "finished_at", "message", "heartbeat_at"])
        audit.record(organization, actor=None, action="consent:move:continue", target=f"move {move.pk}", now=now)
    after_commit("intake.run_move", organization_id=organization.pk, move_id=move.pk)
    return current


def may_continue_move(move: ConsentMove) -> bool:
    """Whether it was stopped by an error."""
    return move.state == ImportState.FAILED


def _load(organization_id: int, move_id: int) -> ConsentMove:
    with tenant(organization_id):
        return ConsentMove.objects.select_related("organization", "scope", "created_by").get(pk=move_id)


def _claim(organization_id: int, move_id: int, *, now: datetime) -> bool:
    with tenant(organization_id):
        move = ConsentMove.objects.select_for_update().filter(pk=move_id).first()
        if move is None or move.state not in (ImportState.QUEUED, ImportState.RUNNING):
            return False
        if move.state == ImportState.RUNNING and move.heartbeat_at and now - move.heartbeat_at < QUIET:
            return False
        move.state, move.heartbeat_at = ImportState.RUNNING, now
        move.save(update_fields=["state", "heartbeat_at"])
    return True


def _run_chunk(organization_id: int, move_id: int, clock: Callable[[], datetime]) -> bool:
    """One chunk, run again when somebody answered meanwhile. Says whether there may be more."""
    for attempt in range(TRIES):
        try:
            with tenant(organization_id):
                return _run_chunk_once(move_id, now=clock())
        except (ChoicesChanged, IntegrityError):
            if attempt == TRIES - 1:
                raise
    return False


def _run_chunk_once(move_id: int, *, now: datetime) -> bool:
    move = ConsentMove.objects.select_for_update(of=("self",)).select_related("organization", "scope").get(pk=move_id)
    if move.state != ImportState.RUNNING:
        return False
    people, last_id = _make_table(move, limit=CHUNK)
    counts = Counter(move.counts)
    counts["people"] += people
    if people:
        verdicts = record_choices(move.organization, table="intake_move", answers=_answers(move, now), now=now)
        counts.update({verdict.value: count for verdict, count in verdicts.items()})
        if verdicts[Verdict.APPLIED]:
            forget_hits_of_refusals(move.organization)
        if move.origin == MoveOrigin.UNPROVEN:
            _take_off_the_list(move, last_id)
        elif verdicts[Verdict.NO_PROVENANCE]:
            list_unproven(move.organization, now=now, source_move=move)
    move.counts, move.heartbeat_at = dict(counts), now
    if last_id is None:
        move.state, move.finished_at = ImportState.DONE, now
    else:
        move.last_id = last_id
    move.save(update_fields=["counts", "heartbeat_at", "state", "finished_at", "last_id"])
    return last_id is not None


_FROM_ATTRIBUTE = """
CREATE TEMP TABLE intake_move ON COMMIT DROP AS
WITH slice AS (
    SELECT p.id, p.ledger_id, btrim(p.attributes ->> %(attribute)s) AS value
      FROM participants_participant p
     WHERE p.organization_id = %(organization)s AND p.id > %(after)s AND p.attributes ? %(attribute)s
     ORDER BY p.id LIMIT %(limit)s
)
SELECT slice.id AS row_id, slice.id AS participant_id, slice.ledger_id,
       CASE WHEN %(opens)s THEN answer.says END AS opens, CASE WHEN %(clicks)s THEN answer.says END AS clicks
  FROM slice LEFT JOIN unnest(%(values)s::text[], %(says)s::text[]) AS answer (value, says) USING (value)
"""

_FROM_LIST = """
CREATE TEMP TABLE intake_move ON COMMIT DROP AS
WITH slice AS (
    SELECT u.id, u.participant_id, u.opens, u.clicks FROM intake_unprovenyes u
     WHERE u.organization_id = %(organization)s AND u.id > %(after)s AND u.scope_id = %(scope)s
       AND (u.source_import_id = %(import)s OR u.source_move_id = %(move)s)
     ORDER BY u.id LIMIT %(limit)s
)
SELECT max(slice.id) AS row_id, p.id AS participant_id, p.ledger_id,
       CASE WHEN bool_or(slice.opens) THEN 'yes' END AS opens, CASE WHEN bool_or(slice.clicks) THEN 'yes' END AS clicks
  FROM slice JOIN participants_participant p ON p.id = slice.participant_id
 GROUP BY p.id
"""


def _make_table(move: ConsentMove, *, limit: int | None) -> tuple[int, int | None]:
    """The next people in a temporary table; how many of them say something, and where to go on, None at the end."""
    query = _FROM_ATTRIBUTE if move.origin == MoveOrigin.ATTRIBUTE else _FROM_LIST
    values: dict[str, Any] = {
        "organization": move.organization_id,
        "attribute": move.attribute,
        "after": move.last_id,
        "limit": limit,
        "opens": move.opens,
        "clicks": move.clicks,
        "values": list(move.mapping),
        "says": list(move.mapping.values()),
        "scope": move.scope_id,
        "import": move.source_import_id,
        "move": move.source_move_id,
    }
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.intake_move")
        cursor.execute(query, values)
        cursor.execute(
            "SELECT count(*) FILTER (WHERE opens IS NOT NULL OR clicks IS NOT NULL), max(row_id) FROM intake_move"
        )
        people, last_id = cursor.fetchone()
    return int(people), last_id


def _answers(move: ConsentMove, now: datetime) -> Answers:
    kept_with = ("move", move.pk or 0)
    return answers_of(
        move.organization, move.provenance, kept_with=kept_with, author=move.created_by, now=now, scope=move.scope
    )


# --- Yeses without provenance -----------------------------------------------------------------------------------------

_LIST = f"""
INSERT INTO intake_unprovenyes (organization_id, participant_id, scope_id, source_import_id, source_move_id, opens,
                                clicks, listed_at)
SELECT %(organization)s, a.participant_id, a.scope_id, %(import)s, %(move)s,
       coalesce(a.opens_verdict = 'no_provenance', false), coalesce(a.clicks_verdict = 'no_provenance', false), %(now)s
  FROM {VERDICTS_TABLE} a WHERE 'no_provenance' IN (a.opens_verdict, a.clicks_verdict)
"""  # noqa: S608 - made of constants


def list_unproven(
    organization: Organization, *, now: datetime, source_import: Import | None = None,
    source_move: ConsentMove | None = None,
) -> None:  # fmt: skip
    """Keep whose yes was refused for want of provenance, right after ``record_choices`` and in its transaction."""
    values = {
        "organization": organization.pk,
        "import": source_import.pk if source_import else None,
        "move": source_move.pk if source_move else None,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_LIST, values)


def _take_off_the_list(move: ConsentMove, last_id: int | None) -> None:
    waiting = UnprovenYes.objects.filter(organization=move.organization_id, scope=move.scope_id, pk__lte=last_id or 0)
    own = {"source_import": move.source_import_id} if move.source_import_id else {"source_move": move.source_move_id}
    waiting.filter(**own).delete()


# --- For the page that plans it ---------------------------------------------------------------------------------------


def attribute_names(organization: Organization) -> list[str]:
    """Attributes that people have; looked for among the newest, since reading everybody would take long."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT jsonb_object_keys(recent.attributes) FROM (SELECT attributes FROM"
            " participants_participant WHERE organization_id = %s ORDER BY id DESC LIMIT 20000) AS recent ORDER BY 1",
            [organization.pk],
        )
        return [name for (name,) in cursor.fetchall()]


def attribute_values(organization: Organization, name: str) -> list[tuple[str, int]]:
    """What an attribute holds, and of how many people; most first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT btrim(attributes ->> %s) AS value, count(*) FROM participants_participant"
            " WHERE organization_id = %s AND attributes ? %s GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %s",
            [name, organization.pk, name, MOST_VALUES],
        )
        return [(value or "", people) for value, people in cursor.fetchall()]
