"""Writes of websites. Every change of what a website measures is a version with author, time and reason.

This app knows the setting and the French rule; what they permit for the people of each country is resolved by
``consent.services``, which calls these functions. A tightening is complete here already: the moments since when
something was permitted are emptied in the same transaction, so older copies stay silent for good (rules H1).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

from django.db import models, transaction

from accounts import audit
from accounts.models import Organization, User
from websites.models import (
    ClicksFallback,
    ConsentScope,
    EmailTrackingVersion,
    MeasurementPermission,
    OpensFallback,
    VersionSource,
    Website,
)
from websites.rules import UNKNOWN_COUNTRY, EmailTracking, is_french, loosens
from websites.selectors import latest_version

MOMENTS = tuple(field.name for field in MeasurementPermission._meta.fields if field.name.endswith("_since"))
NOBODY_UNASKED = {name: None for name in MOMENTS if name.endswith("_unless_no_since")}
# All that rests on a country's rule; a yes does not.
NOBODY_WITHOUT_YES = {name: None for name in MOMENTS if not name.endswith("_with_yes_since")}
NEVER_PERMITTED = {"opens_basis": "never", "clicks_basis": "never", **dict.fromkeys(MOMENTS)}
NOTHING_PERMITTED = dict.fromkeys(MOMENTS)
DETAIL_FIELDS = ("name", "domain", "tracking_domain", "sender_name", "sender_email")
# Of the fields whose values are few.
KINDS: Mapping[str, type[Enum]] = {
    "email_tracking": EmailTracking,
    "opens_fallback": OpensFallback,
    "clicks_fallback": ClicksFallback,
}


class LoosenedAloneError(Exception):
    """More would be measured, and nobody is named who proposed it (rule D5). The services of consent see to that."""


def create_website(
    organization: Organization,
    *,
    name: str,
    domain: str,
    country: str,
    sender_name: str,
    sender_email: str,
    author: User | None,
    now: datetime,
    tracking_domain: str = "",
    declared_country: str = "",
) -> Website:
    """A website starts on Never track, whatever its country (rules F2)."""
    with transaction.atomic():
        website = Website.objects.create(
            organization=organization,
            name=name,
            domain=domain,
            country=country,
            declared_country=declared_country,
            tracking_domain=tracking_domain,
            sender_name=sender_name,
            sender_email=sender_email,
            consent_scope=ensure_default_scope(organization, now=now),
            email_tracking=EmailTracking.NEVER,
            country_rule_applied_at=now,
            created_at=now,
        )
        record_version(website, previous="", source=VersionSource.CREATED, author=author, reason="", now=now)
    return website


def ensure_default_scope(organization: Organization, *, now: datetime) -> ConsentScope:
    """The consent scope of every website that is in no other (rules C8), made with the first website."""
    scope, _created = ConsentScope.objects.get_or_create(
        organization=organization,
        is_default=True,
        defaults={"name": organization.name[:120], "created_at": now},
    )
    return scope


def save_details(organization: Organization, website: Website) -> None:
    """Keep the name, addresses and sender of a website; nothing here changes what is measured."""
    Website.objects.filter(organization=organization, pk=website.pk).update(
        **{field: getattr(website, field) for field in DETAIL_FIELDS}
    )


def lock_website(organization: Organization, website_id: int) -> Website:
    """The website as it stands, held until the transaction ends: changes of one website wait for each other.

    Whoever asks the clock does so after this, so that the moment of a change is never older than the change before.
    """
    return Website.objects.select_for_update(of=("self",)).get(organization=organization, pk=website_id)


def change_policy(
    organization: Organization,
    website: Website,
    values: Mapping[str, Any],
    *,
    author: User | None,
    reason: str,
    now: datetime,
    proposed_by: User | None = None,
) -> EmailTrackingVersion:
    """Set fields of a website, by their names, take back what rested on them, and keep a version: one for them all.

    A website that becomes French goes to Never track at once, whatever else is asked for (rules F2). The same values
    again add no version.
    """
    with transaction.atomic():
        current = lock_website(organization, website.pk)
        known = latest_version(organization, current)
        different = {name: value for name, value in values.items() if getattr(current, name) != value}
        if not different and known is not None:
            return known
        _require_two(organization, current, different, proposed_by, now)
        previous, was_french = current.email_tracking, is_french(str(current.country))
        for name, value in different.items():
            setattr(current, name, KINDS[name](value).value if name in KINDS else value)
            _take_back(current, name)
        becomes_french = is_french(str(current.country)) and not was_french
        if becomes_french:
            current.email_tracking, current.country_rule_applied_at = EmailTracking.NEVER, now
            MeasurementPermission.objects.filter(website=current).update(**NEVER_PERMITTED)
        current.save(update_fields=[*different, "email_tracking", "country_rule_applied_at"])
        for name in (*values, "email_tracking"):
            setattr(website, name, getattr(current, name))
        return record_version(
            current,
            previous=previous,
            source=VersionSource.COUNTRY_RULE if becomes_french else VersionSource.MEMBER,
            author=author,
            proposed_by=proposed_by,
            reason=reason,
            now=now,
        )


def _take_back(website: Website, field: str) -> None:
    """Empty the moments of what rested on a field; consent.services resolves what holds with its new value."""
    rows = MeasurementPermission.objects.filter(website=website)
    match field:
        case "email_tracking" if website.email_tracking == EmailTracking.NEVER:
            rows.update(**NEVER_PERMITTED)
        case "email_tracking" if website.email_tracking == EmailTracking.BY_CONSENT:
            rows.update(**NOBODY_UNASKED)
        case "country":
            # What is measured without a yes rested on the old country; that begins again where it still holds.
            rows.update(**NOBODY_WITHOUT_YES)
        case "declared_country":
            rows.filter(country=UNKNOWN_COUNTRY).update(**NOBODY_WITHOUT_YES)
        case "opens_fallback":
            rows.update(opens_anonymous_since=None, last_open_day_since=None)
        case "clicks_fallback":
            rows.update(clicks_anonymous_since=None)
        case "for_professionals":
            rows.update(opens_professionals_since=None, clicks_professionals_since=None)
        case "consent_scope":
            rows.update(scope=website.consent_scope, **NOTHING_PERMITTED)


def _require_two(
    organization: Organization, current: Website, changes: dict[str, Any], proposed_by: User | None, now: datetime
) -> None:
    """The last wall of rule D5: no caller, whoever it is, measures more than before by itself."""
    day = now.astimezone(ZoneInfo(organization.timezone)).date()
    for name, value in changes.items():
        if proposed_by is None and loosens(name, plain(getattr(current, name)), plain(value), on=day):
            raise LoosenedAloneError(name)


def plain(value: Any) -> str | bool | int:
    """A field of a website as proposals keep it: a row by its number, a country by its code."""
    if isinstance(value, bool):
        return value
    return int(value.pk) if isinstance(value, models.Model) else str(value)


def record_version(
    website: Website,
    *,
    previous: str,
    source: str,
    author: User | None,
    reason: str,
    now: datetime,
    proposed_by: User | None = None,
) -> EmailTrackingVersion:
    latest = EmailTrackingVersion.objects.filter(website=website).aggregate(number=models.Max("number"))["number"]
    details = {"version": (latest or 0) + 1, "source": str(source), "email_tracking": str(website.email_tracking)}
    named = f"website {website.pk}"
    audit.record(
        website.organization, actor=author, action="website:policy:change", target=named, details=details, now=now
    )
    return EmailTrackingVersion.objects.create(
        organization_id=website.organization_id,
        website=website,
        number=(latest or 0) + 1,
        previous=previous,
        email_tracking=website.email_tracking,
        country=website.country,
        declared_country=website.declared_country,
        for_professionals=website.for_professionals,
        opens_fallback=website.opens_fallback,
        clicks_fallback=website.clicks_fallback,
        consent_scope_name=website.consent_scope.name,
        stopped=website.stopped_at is not None,
        source=source,
        proposed_by=proposed_by,
        author=author,
        reason=reason,
        created_at=now,
    )
