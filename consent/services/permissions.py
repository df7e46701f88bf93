"""What a website permits for the people of every country, and since when: resolved anew whenever something changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django_countries import countries

from accounts.models import Organization
from consent.grounds import moment_column, permission_of
from consent.rules import (
    Kind,
    Limits,
    Permission,
    Permit,
    Resolved,
    WebsiteState,
    days_of_change,
    lifted_keys,
    permission_since,
    resolve_permission,
)
from consent.selectors import website_state
from websites import services as websites
from websites.models import MeasurementPermission, Website
from websites.rules import UNKNOWN_COUNTRY, column

_MOMENTS = [
    (kind, permit, name) for kind in Kind for permit in Permit if (name := moment_column(kind, permit)) is not None
]
_COLUMNS = [
    *(f"{kind}_basis" for kind in Kind),
    *(name for _kind, _permit, name in _MOMENTS),
    *("informed_collected_before", "informed_before", "until"),
]
_TYPES = ["text"] * len(Kind) + ["timestamptz"] * (len(_COLUMNS) - len(Kind))
_UPSERT = f"""
INSERT INTO websites_measurementpermission (organization_id, website_id, scope_id, country, {", ".join(_COLUMNS)})
SELECT %s, %s, %s, resolved.*
  FROM unnest(%s::text[], {", ".join(f"%s::{one}[]" for one in _TYPES)}) AS resolved
    ON CONFLICT (website_id, country) DO UPDATE
   SET scope_id = excluded.scope_id, {", ".join(f"{column} = excluded.{column}" for column in _COLUMNS)}
"""  # noqa: S608 - made of the names above


def refresh_permissions(organization: Organization, website: Website, *, now: datetime) -> None:
    """Resolve what the website permits for the people of every country, and since when.

    Whatever holds on keeps its moment, so that delivered copies go on counting; what begins, begins now. The hit
    statement reads nothing but these rows and the person's choice.
    """
    with transaction.atomic():
        current = websites.lock_website(organization, website.pk)
        rows = MeasurementPermission.objects.filter(organization=organization, website=current)
        known = {row.country: row for row in rows}
        resolver = _Resolver(website_state(organization, current, now=now), ZoneInfo(organization.timezone), now)
        changed = []
        for country in sorted({*countries.countries, UNKNOWN_COUNTRY, *known}):
            before = known.get(country)
            # Other people's answers count in another scope, so nothing goes on there (rule C8).
            goes_on = before if before is not None and before.scope_id == current.consent_scope_id else None
            after = resolver.row(country, goes_on)
            if goes_on is None or [getattr(goes_on, name) for name in _COLUMNS] != after:
                changed.append((country, *after))
        if changed:
            with connection.cursor() as cursor:
                cursor.execute(
                    _UPSERT,
                    [organization.pk, current.pk, current.consent_scope_id, *map(list, zip(*changed, strict=True))],
                )


class _Resolver:
    """One website at one moment."""

    def __init__(self, state: WebsiteState, zone: ZoneInfo, now: datetime) -> None:
        self._state, self._zone, self._now = state, zone, now
        self._today = now.astimezone(zone).date()
        self._resolved: dict[tuple[object, ...], Mapping[Kind, Resolved]] = {}

    def row(self, country: str, before: MeasurementPermission | None) -> list[Any]:
        """The columns of the row of one country, in their order."""
        resolved = self._on(self._today, country)
        limits = self._limits(country, resolved)
        permissions = {}
        for kind in Kind:
            previous = permission_of(before, kind)
            if previous.has_lapsed(self._now):
                previous = self._survivors(previous, kind, country)
            permissions[kind] = permission_since(previous, resolved[kind].permits, now=self._now, limits=limits)
        return [
            *(resolved[kind].basis.value for kind in Kind),
            *(getattr(permissions[kind], f"{permit}_since") for kind, permit, _name in _MOMENTS),
            *(limits.collected_before, limits.informed_before, limits.until),
        ]

    def _limits(self, country: str, resolved: Mapping[Kind, Resolved]) -> Limits:
        """They are the same for opens and clicks, where both permit anything."""
        informing = (one for one in resolved.values() if Permit.IF_INFORMED in one.permits)
        collected_before, informed_by = next((one.limits for one in informing), (None, None))
        return Limits(
            collected_before=self._begin(collected_before) if collected_before else None,
            informed_before=self._begin(informed_by + timedelta(days=1)) if informed_by else None,
            until=self._until(country, resolved),
        )

    def _until(self, country: str, resolved: Mapping[Kind, Resolved]) -> datetime | None:
        """When time alone first takes back something of what is permitted today."""
        for day in self._days_to_come:
            then = self._on(day, country)
            if any(resolved[kind].loses_to(then[kind]) for kind in Kind):
                return self._begin(day)
        return None

    @cached_property
    def _days_to_come(self) -> list[date]:
        return days_of_change(self._state, after=self._today)

    def _survivors(self, permission: Permission, kind: Kind, country: str) -> Permission:
        """What did not end with a day that has come since this was resolved.

        A justification that was confirmed after another had ended begins anew, however soon that was; one that was
        there already lets its permission go on.
        """
        if permission.until is None:
            return permission
        eve = permission.until.astimezone(self._zone).date() - timedelta(days=1)
        for day in days_of_change(self._state, after=eve):
            if day <= self._today:
                permission = permission.keeping(self._on(day, country, known_by=self._begin(day))[kind].permits)
        return permission

    def _on(self, day: date, country: str, *, known_by: datetime | None = None) -> Mapping[Kind, Resolved]:
        """What holds on a day, as far as justifications were known by then.

        Countries of one column of the rule table that no justification tells apart share what holds: asked once.
        """
        state = self._state.as_known(known_by) if known_by else self._state
        person = "" if country == UNKNOWN_COUNTRY else country
        alike = (day, known_by, not person or column(country), lifted_keys(state, country, day))
        if alike not in self._resolved:
            self._resolved[alike] = {
                kind: resolve_permission(state, participant_country=person, kind=kind, on=day) for kind in Kind
            }
        return self._resolved[alike]

    def _begin(self, day: date) -> datetime:
        """The first moment of a day where the organization is."""
        return datetime.combine(day, time.min, tzinfo=self._zone)
