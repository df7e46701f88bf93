"""Every combination of what the hit statement looks at, as rows: does it say what ``consent.rules`` say?

A cell is a hit on one sent copy, or on one shared address, with its permission and its choice. Cells are written in
bulk and put to the statement under the recorder's role; what it left is compared with ``level_at_hit`` and
``counts_anonymously``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from itertools import batched, combinations, product
from typing import Any
from uuid import UUID

from django.db import connection

from common.keys import new_key
from common.tenancy import tenant
from consent.grounds import PERMISSION_COLUMNS
from consent.models import Choice
from consent.rules import (
    LEVELS,
    NEVER_ANSWERED,
    ChoiceState,
    ChoiceValue,
    Informed,
    InformedGround,
    Kind,
    Level,
    Permission,
    Permit,
    Purpose,
    SentCopy,
    counts_anonymously,
    level_at_hit,
)
from tests.support.hits import DECIDED_AT, Copies, batch_of, own_choice, store
from tracking.models import AnonymousContent, AnonymousTotal, TrackedContent
from tracking.recorder import CLICK, LARGEST_BATCH, OPEN

LATER = DECIDED_AT + timedelta(microseconds=1)
MOMENTS = (None, DECIDED_AT, LATER)
PAST, FUTURE = datetime(2026, 11, 2, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
LIMIT = datetime(2026, 7, 1, tzinfo=UTC)
DATES = (None, LIMIT - timedelta(microseconds=1), LIMIT)
KIND_NUMBERS = {Kind.OPENS: OPEN, Kind.CLICKS: CLICK}
HUMAN, MACHINE = 1, 2


@dataclass
class Compared:
    """How many cells were put to both, what came out, and where the two differed."""

    cells: int = 0
    effects: set[str] = field(default_factory=set)
    differences: list[tuple[Any, str, str]] = field(default_factory=list)

    def add(self, cell: Any, *, rules: str, statement: str) -> None:
        self.cells += 1
        self.effects.add(rules)
        if rules != statement:
            self.differences.append((cell, rules, statement))


def permissions(kind: Kind) -> list[Permission]:
    """No permit, each one, and each pair, with every moment; with and without limits, and with an end."""
    permits = [permit for permit in Permit if permit != Permit.ANONYMOUS]
    if kind == Kind.CLICKS:
        permits.remove(Permit.LAST_OPEN_DAY)
    found = []
    for some in ((), *combinations(permits, 1), *combinations(permits, 2)):
        ends = (None, PAST) if len(some) == 2 else (None, PAST, FUTURE)
        limits = product((None, LIMIT), repeat=2) if Permit.IF_INFORMED in some else [(None, None)]
        for moments, until, (collected_before, informed_before) in product(
            product(MOMENTS[1:], repeat=len(some)), ends, list(limits)
        ):
            since = {f"{permit}_since": moment for permit, moment in zip(some, moments, strict=True)}
            found.append(
                Permission(**since, collected_before=collected_before, informed_before=informed_before, until=until)
            )
    return found


def choices() -> Iterator[ChoiceState | None]:
    """Nobody's answer, every pair of moments of one, and everybody who was informed."""
    yield None
    for yes, not_no in product(MOMENTS, MOMENTS):
        yield ChoiceState(ChoiceValue.UNKNOWN, yes, not_no)
    informed_dates = [(DECIDED_AT, dates) for dates in product(DATES, repeat=2)]
    for since, (collected_at, informed_at) in (*informed_dates, (LATER, (DATES[1], DATES[1]))):
        informed = Informed(InformedGround.EXISTING, collected_at, informed_at)
        yield ChoiceState(ChoiceValue.INFORMED, None, None, since, informed)
    for since in MOMENTS[1:]:
        yield ChoiceState(ChoiceValue.INFORMED, None, DECIDED_AT, since, Informed(InformedGround.PROFESSIONAL))


def sent_copies(kind: Kind) -> Iterator[SentCopy]:
    """Every level that a copy may have under a key of its own."""
    levels = [level for level in LEVELS[kind] if level != Level.ANONYMOUS]
    for frozen, exempt, subscribed in product(
        levels, (None, Purpose.AUTHENTICATION, Purpose.LEGAL_NOTICE), (False, True)
    ):
        if frozen != Level.NONE or exempt is None:
            copy = SentCopy(kind=kind, frozen=frozen, decided_at=DECIDED_AT, exempt=exempt, subscribed=subscribed)
            yield copy
            # Where most is permitted: with a subscription there is a ground more.
            if frozen != Level.NONE and subscribed:
                yield replace(copy, exempt_ended=True)


# --- Copies of people -------------------------------------------------------------------------------------------------


def compare_copies(copies: Copies, kind: Kind) -> Compared:
    """Put every cell of one kind to the statement, one sent copy and one actor at a time."""
    permitted = permissions(kind)
    cells = list(product(range(len(permitted)), choices()))
    with tenant(copies.organization.pk):
        _write_permissions(copies, kind, permitted)
        people = _write_people(copies, kind, [choice for _permission, choice in cells])
    result = Compared()
    for copy in sent_copies(kind):
        keys = _write_copies(copies, copy, people, [country_code(number) for number, _choice in cells])
        for actor in (HUMAN, MACHINE) if kind == Kind.OPENS else (HUMAN,):
            left = _put_to_the_statement(copies, kind, keys, actor)
            now = datetime.now(UTC)
            for person, (number, choice) in zip(people, cells, strict=True):
                rules = level_at_hit(
                    copy, permitted[number], choice or NEVER_ANSWERED, now=now, by_machine=actor == MACHINE
                )
                cell = (copy, permitted[number], choice, actor)
                result.add(cell, rules=rules.value, statement=left.get(person, Level.NONE.value))
    return result


def country_code(number: int) -> str:
    """Two characters for each of a thousand permissions; no country is called so."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    return digits[number // 36] + digits[number % 36]


_PERMIT = """
INSERT INTO websites_measurementpermission
    (organization_id, website_id, scope_id, opens_basis, clicks_basis, country, {columns})
SELECT %s, %s, %s, 'with_yes', 'with_yes', r.* FROM unnest(%s::text[], {arrays}) AS r
"""


def _write_permissions(copies: Copies, kind: Kind, found: Sequence[Permission]) -> None:
    """A country for each. The other kind is not permitted at all, and must not help."""
    columns = {
        column: [getattr(permission, one.name) for permission in found]
        for one, column in zip(fields(Permission), PERMISSION_COLUMNS[kind], strict=True)
        if column
    }
    query = _PERMIT.format(columns=", ".join(columns), arrays=", ".join(["%s::timestamptz[]"] * len(columns)))
    website = copies.website
    with connection.cursor() as cursor:
        cursor.execute(
            query,
            [
                *(copies.organization.pk, website.pk, website.consent_scope_id),
                *([country_code(number) for number in range(len(found))], *columns.values()),
            ],
        )


_PEOPLE = """
INSERT INTO participants_participant (organization_id, email, email_norm, country, locale, first_name, last_name,
    external_id, attributes, created_at, updated_at)
SELECT %s, n || '@cells.example', n || '@cells.example', '', '', '', '', '', '{}', now(), now()
  FROM generate_series(1, %s) AS n
RETURNING id
"""


def _write_people(copies: Copies, kind: Kind, chosen: Sequence[ChoiceState | None]) -> list[int]:
    """A person for each: the day of a last open belongs to a person, so no two cells may share one."""
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE, [copies.organization.pk, len(chosen)])
        people = [number for (number,) in cursor.fetchall()]
    Choice.objects.bulk_create(
        [
            own_choice(copies.website, person, **_columns(kind, choice))
            for person, choice in zip(people, chosen, strict=True)
            if choice is not None
        ]
    )
    return people


def _columns(kind: Kind, choice: ChoiceState) -> dict[str, Any]:
    informed = choice.informed
    return {
        kind.value: choice.value.value,
        f"{kind}_yes_since": choice.yes_since,
        f"{kind}_not_no_since": choice.not_no_since,
        f"{kind}_informed_since": choice.informed_since,
        "informed_ground": informed.ground.value if informed else "",
        "collected_at": informed.collected_at if informed else None,
        "informed_at": informed.informed_at if informed else None,
    }


_COPIES = """
INSERT INTO tracking_trackedmessage (organization_id, content_id, website_id, decided_at, opens, clicks, exempt_purpose,
    subscribed, participant_id, key, country)
SELECT %s, %s, %s, %s, %s, %s, %s, %s, r.* FROM unnest(%s::bigint[], %s::uuid[], %s::text[]) AS r
"""


def _write_copies(copies: Copies, copy: SentCopy, people: Sequence[int], countries: Sequence[str]) -> list[UUID]:
    keys = [new_key() for _ in people]
    levels = {kind: copy.frozen.value if kind == copy.kind else "none" for kind in Kind}
    frozen = [levels[Kind.OPENS], levels[Kind.CLICKS], copy.exempt or "", copy.subscribed]
    owner = [copies.organization.pk, copies.content.pk, copies.website.pk]
    with tenant(copies.organization.pk), connection.cursor() as cursor:
        cursor.execute("DELETE FROM tracking_trackedmessage WHERE content_id = %s", [copies.content.pk])
        TrackedContent.objects.filter(pk=copies.content.pk).update(exempt_ended=copy.exempt_ended)
        cursor.execute(_COPIES, [*owner, copy.decided_at, *frozen, list(people), keys, list(countries)])
    return keys


_LEFT = """
WITH hits AS (
    DELETE FROM tracking_hit h USING tracking_trackedmessage m
     WHERE h.content_id = %s AND m.id = h.tracked_message_id RETURNING m.participant_id
), days AS (
    DELETE FROM tracking_lastopenday RETURNING participant_id
)
SELECT participant_id, 'individual' FROM hits UNION ALL SELECT participant_id, 'last_open_day' FROM days
"""


def _put_to_the_statement(copies: Copies, kind: Kind, keys: Sequence[UUID], actor: int) -> dict[int, str]:
    """What each hit left, by participant; and nothing is left of it."""
    link_number = 0 if kind == Kind.OPENS else 1
    for some in batched(keys, LARGEST_BATCH):
        store(batch_of(*(key.hex for key in some), kind=KIND_NUMBERS[kind], link_number=link_number, actor=actor))
    with tenant(copies.organization.pk), connection.cursor() as cursor:
        cursor.execute(_LEFT, [copies.content.pk])
        rows = cursor.fetchall()
    left = dict(rows)
    assert len(left) == len(rows), "one hit left two things"
    return left


# --- Addresses that many share ----------------------------------------------------------------------------------------


def compare_totals(copies: Copies, kind: Kind) -> Compared:
    """Every set of up to three countries, with every moment and every end, or without any permission."""
    found = [Permission(anonymous_since=since, until=until) for since, until in product(MOMENTS, (None, PAST, FUTURE))]
    with tenant(copies.organization.pk):
        _write_permissions(copies, kind, found)
    known: dict[str, Permission | None] = {country_code(number): one for number, one in enumerate(found)}
    known["QQ"] = None
    lists = [codes for size in range(4) for codes in combinations(known, size)]
    shared = _write_shared(copies, kind, lists)
    store(batch_of(*(one.key.hex for one in shared), kind=KIND_NUMBERS[kind], link_number=int(kind == Kind.CLICKS)))
    with tenant(copies.organization.pk):
        counted = set(AnonymousTotal.objects.values_list("content_id", flat=True))
    result = Compared()
    for codes, one in zip(lists, shared, strict=True):
        rules = counts_anonymously([known[code] for code in codes], decided_at=DECIDED_AT, now=datetime.now(UTC))
        result.add(codes, rules=str(rules), statement=str(one.content_id in counted))
    return result


def _write_shared(copies: Copies, kind: Kind, lists: Sequence[tuple[str, ...]]) -> list[AnonymousContent]:
    organization, website = copies.organization, copies.website
    with tenant(organization.pk):
        contents = TrackedContent.objects.bulk_create(
            [TrackedContent(organization=organization, website=website) for _ in lists]
        )
        return AnonymousContent.objects.bulk_create(
            [
                AnonymousContent(
                    organization=organization,
                    key=new_key(),
                    content=content,
                    website=website,
                    decided_at=DECIDED_AT,
                    **{f"{kind}_countries": list(codes)},
                )
                for codes, content in zip(lists, contents, strict=True)
            ]
        )
