"""Reads what a decision rests on: what the website permits where the person is, and what the person chose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from accounts.models import Organization
from consent.models import Choice
from consent.rules import (
    NEVER_ANSWERED,
    NO_PERMISSION,
    Basis,
    ChoiceState,
    ChoiceValue,
    Decision,
    Grounds,
    Informed,
    InformedGround,
    Kind,
    Mail,
    Permission,
    Permit,
    Purpose,
    Untracked,
    decide,
)
from websites.models import MeasurementPermission, Website


def moment_column(kind: Kind, permit: Permit) -> str | None:
    """Where a row of permissions keeps since when something holds; None for what there is not of this kind."""
    if permit != Permit.LAST_OPEN_DAY:
        return f"{kind}_{permit}_since"
    return "last_open_day_since" if kind == Kind.OPENS else None


# In the order of the fields of ``Permission``.
_LIMITS = ("informed_collected_before", "informed_before", "until")
PERMISSION_COLUMNS = {kind: [*(moment_column(kind, permit) for permit in Permit), *_LIMITS] for kind in Kind}
_CHOICE_COLUMNS = {
    kind: [f"{kind}", *(f"{kind}_{what}_since" for what in ("yes", "not_no", "informed"))] for kind in Kind
}
_INFORMED_COLUMNS = ["informed_ground", "collected_at", "informed_at"]


def permission_of(row: MeasurementPermission | None, kind: Kind) -> Permission:
    """What a row permits of one kind. Without a row nothing is."""
    if row is None:
        return NO_PERMISSION
    return Permission(*(getattr(row, column) if column else None for column in PERMISSION_COLUMNS[kind]))


def choice_state(choice: Choice | None, kind: Kind) -> ChoiceState:
    """What a person chose about one kind, as the rules see it. Without a row they never answered."""
    if choice is None:
        return NEVER_ANSWERED
    columns = [*_CHOICE_COLUMNS[kind], *_INFORMED_COLUMNS]
    return _choice_state([getattr(choice, column) for column in columns])


def _choice_state(values: Sequence[Any]) -> ChoiceState:
    value, yes_since, not_no_since, informed_since, ground, collected_at, informed_at = values
    if value is None:
        return NEVER_ANSWERED
    informed = Informed(InformedGround(ground), collected_at, informed_at) if ground and informed_since else None
    return ChoiceState(ChoiceValue(value), yes_since, not_no_since, informed_since, informed)


# --- For many people --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decided:
    """The decision for one copy, with what is frozen beside it."""

    decision: Decision
    # Whose permission counts at the hit: the participant's country, or "ZZ".
    country: str
    tracking_version_id: int | None


def _select(table: str, columns: Iterable[str | None]) -> str:
    return ", ".join(f"{table}.{column}" if column else "NULL" for column in columns)


_PARTS = {
    kind: (
        _select("permission", [f"{kind}_basis", *PERMISSION_COLUMNS[kind]]),
        _select("choice", _CHOICE_COLUMNS[kind]),
    )
    for kind in Kind
}
_GROUNDS = f"""
SELECT person.id, website.id, coalesce(nullif(person.country, ''), 'ZZ'),
       (SELECT version.id FROM websites_emailtrackingversion version
         WHERE version.website_id = website.id ORDER BY version.number DESC LIMIT 1),
       {_select("choice", _INFORMED_COLUMNS)}, choice.anonymous_objected_at IS NOT NULL,
       {", ".join(part for kind in Kind for part in _PARTS[kind])}
  FROM participants_participant person
  JOIN websites_website website
    ON website.organization_id = person.organization_id AND website.id = ANY(%s)
  LEFT JOIN websites_measurementpermission permission
    ON permission.website_id = website.id AND permission.country = coalesce(nullif(person.country, ''), 'ZZ')
  LEFT JOIN consent_choice choice ON choice.participant_id = person.id AND choice.scope_id = website.consent_scope_id
 WHERE person.organization_id = %s AND person.id = ANY(%s)
"""  # noqa: S608 - made of constants
_PERMISSION_SIZE = 1 + len(PERMISSION_COLUMNS[Kind.OPENS])
_KIND_SIZE = _PERMISSION_SIZE + len(_CHOICE_COLUMNS[Kind.OPENS])


def decide_all(
    organization: Organization, website_ids: Iterable[int], participant_ids: Sequence[int], mail: Mail, *, now: datetime
) -> dict[tuple[int, int], Decided]:
    """The decision for each website and participant. One query; locks nothing."""
    with connection.cursor() as cursor:
        cursor.execute(_GROUNDS, [list(website_ids), organization.pk, list(participant_ids)])
        rows = cursor.fetchall()
    decided = {}
    for participant_id, website_id, country, version_id, *rest in rows:
        informed, objects, kinds = rest[:3], rest[3], rest[4:]
        opens, clicks = (_grounds(kinds[start : start + _KIND_SIZE], informed, objects) for start in (0, _KIND_SIZE))
        decided[website_id, participant_id] = Decided(decide(opens, clicks, mail, now=now), country, version_id)
    return decided


def _grounds(values: Sequence[Any], informed: Sequence[Any], objects_to_totals: bool) -> Grounds:
    basis, *permission = values[:_PERMISSION_SIZE]
    return Grounds(
        # A country that no row knows permits nothing: what is asked for is a yes, and it holds since never.
        basis=Basis(basis) if basis else Basis.WITH_YES_BY_LAW,
        permission=Permission(*permission) if basis else NO_PERMISSION,
        choice=_choice_state([*values[_PERMISSION_SIZE:], *informed]),
        objects_to_totals=objects_to_totals,
    )


def decisions_for(
    organization: Organization,
    website: Website,
    participant_ids: Sequence[int],
    *,
    purpose: Purpose | str,
    now: datetime,
    exempt_approved: bool = False,
    subscribed_mail: bool = False,
    untracked: Untracked | None = None,
) -> dict[int, Decided]:
    """What is measured on a copy sent now, for each participant; used at send and in previews.

    ``exempt_approved``: a second person approved that the email is measured for its exempt purpose (S6).
    ``subscribed_mail``: it is mail of a topic that these people subscribed to (S8).
    """
    mail = Mail(
        purpose=Purpose(purpose), exempt_approved=exempt_approved, subscribed=subscribed_mail, untracked=untracked
    )
    decided = decide_all(organization, [website.pk], participant_ids, mail, now=now)
    return {participant_id: one for (_website_id, participant_id), one in decided.items()}
