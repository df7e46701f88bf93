"""Writes of websites. Every change of what a website measures is a version with author, time and reason.

This app knows the setting and the French rule; what they permit for the people of each country is resolved by
``consent.services``, which calls these functions. A tightening is complete here already: the moments since when
something was permitted are emptied in the same transaction, so older copies stay silent for good (rules H1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db import models, transaction

from accounts.models import Organization, User
from websites.models import ConsentScope, EmailTrackingVersion, MeasurementPermission, VersionSource, Website
from websites.rules import FRENCH_COUNTRIES, UNKNOWN_COUNTRY, EmailTracking, is_french
from websites.selectors import latest_version

MOMENTS = tuple(field.name for field in MeasurementPermission._meta.fields if field.name.endswith("_since"))
NOBODY_UNASKED = {name: None for name in MOMENTS if name.endswith("_unless_no_since")}
# All that rests on a country's rule; a yes does not.
NOBODY_WITHOUT_YES = {name: None for name in MOMENTS if not name.endswith("_with_yes_since")}
NEVER_PERMITTED = {"opens_basis": "never", "clicks_basis": "never", **dict.fromkeys(MOMENTS)}
DETAIL_FIELDS = ("name", "domain", "tracking_domain", "sender_name", "sender_email")


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
        _record_version(website, previous="", source=VersionSource.CREATED, author=author, reason="", now=now)
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


def change_email_tracking(
    organization: Organization,
    website: Website,
    *,
    tracking: str,
    author: User | None,
    reason: str,
    now: datetime,
    source: str = VersionSource.MEMBER,
) -> EmailTrackingVersion:
    """Set a website's email tracking. The same setting again adds no version."""
    with transaction.atomic():
        current = lock_website(organization, website.pk)
        website.email_tracking = wanted = EmailTracking(tracking)
        known = latest_version(organization, current)
        if current.email_tracking == wanted and known is not None:
            return known
        previous, current.email_tracking = current.email_tracking, wanted
        current.save(update_fields=["email_tracking"])
        _empty_moments(current, wanted)
        return _record_version(current, previous=previous, source=source, author=author, reason=reason, now=now)


def change_country(
    organization: Organization, website: Website, *, country: str, author: User | None, reason: str, now: datetime
) -> EmailTrackingVersion:
    """Move a website to another country. One that becomes French goes to Never track at once (rules F2)."""
    with transaction.atomic():
        current = lock_website(organization, website.pk)
        known = latest_version(organization, current)
        if current.country == country and known is not None:
            return known
        becomes_french = is_french(country) and not is_french(str(current.country))
        previous, current.country = current.email_tracking, country
        if becomes_french:
            current.email_tracking = EmailTracking.NEVER
            current.country_rule_applied_at = now
        current.save(update_fields=["country", "email_tracking", "country_rule_applied_at"])
        website.country, website.email_tracking = current.country, current.email_tracking
        # What it measured without a yes rested on the old country; that begins again where it still holds.
        permissions = MeasurementPermission.objects.filter(website=current)
        permissions.update(**(NEVER_PERMITTED if becomes_french else NOBODY_WITHOUT_YES))
        source = VersionSource.COUNTRY_RULE if becomes_french else VersionSource.MEMBER
        return _record_version(current, previous=previous, source=source, author=author, reason=reason, now=now)


def change_declared_country(
    organization: Organization, website: Website, *, country: str, author: User | None, reason: str, now: datetime
) -> EmailTrackingVersion:
    """Declare where people of unknown country count as being (rules S5)."""
    with transaction.atomic():
        current = lock_website(organization, website.pk)
        known = latest_version(organization, current)
        if current.declared_country == country and known is not None:
            return known
        current.declared_country = website.declared_country = country
        current.save(update_fields=["declared_country"])
        MeasurementPermission.objects.filter(website=current, country=UNKNOWN_COUNTRY).update(**NOBODY_WITHOUT_YES)
        return _record_version(
            current,
            previous=current.email_tracking,
            source=VersionSource.MEMBER,
            author=author,
            reason=reason,
            now=now,
        )


def _empty_moments(website: Website, tracking: str) -> None:
    """Take back what the setting no longer permits; what it newly permits is resolved by consent.services."""
    rows = MeasurementPermission.objects.filter(website=website)
    if tracking == EmailTracking.NEVER:
        rows.update(**NEVER_PERMITTED)
    elif tracking == EmailTracking.BY_CONSENT:
        rows.update(**NOBODY_UNASKED)


def _record_version(
    website: Website, *, previous: str, source: str, author: User | None, reason: str, now: datetime
) -> EmailTrackingVersion:
    latest = EmailTrackingVersion.objects.filter(website=website).aggregate(number=models.Max("number"))["number"]
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
        author=author,
        reason=reason,
        created_at=now,
    )


# --- The French rule --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Enforced:
    """A website that the French rule put on Never track, and what it was on before."""

    organization_id: int
    website_id: int
    previous: str


def enforce_country_rules(
    *,
    websites: type[Any],
    versions: type[Any],
    permissions: type[Any],
    now: datetime,
    log: Callable[[str], None],
    using: str = "owner",
    dry_run: bool = False,
) -> list[Enforced]:
    """Put every French website that the rule has not met yet on Never track, in all organizations (rules F2).

    Takes the model classes, so that the migration hands in those of its time. ``country_rule_applied_at`` marks a
    website that the rule has met: running again changes nothing, whatever was decided since.
    """
    with transaction.atomic(using=using):
        found = list(
            websites.objects.using(using)
            .filter(country__in=sorted(FRENCH_COUNTRIES), country_rule_applied_at__isnull=True)
            .order_by("organization_id", "pk")
            .select_for_update(of=("self",))
        )
        done = [Enforced(website.organization_id, website.pk, website.email_tracking) for website in found]
        _log_enforced(done, log, dry_run=dry_run)
        if not found or dry_run:
            return done
        ids = [website.pk for website in found]
        _record_enforced(found, versions.objects.using(using), now=now)
        # The classes may be those of an older migration, whose permissions had fewer moments.
        known = {field.name for field in permissions._meta.fields}
        nothing = {name: value for name, value in NEVER_PERMITTED.items() if name in known}
        permissions.objects.using(using).filter(website_id__in=ids).update(**nothing)
        websites.objects.using(using).filter(pk__in=ids).update(
            email_tracking=EmailTracking.NEVER.value, country_rule_applied_at=now
        )
        return done


def _record_enforced(websites: Iterable[Any], versions: models.QuerySet[Any], *, now: datetime) -> None:
    """One version for each, also where nothing changed: it shows that the rule was applied, and what it replaced."""
    latest = dict(
        versions.filter(website_id__in=[website.pk for website in websites])
        .order_by()
        .values_list("website_id")
        .annotate(models.Max("number"))
    )
    versions.bulk_create(
        versions.model(
            organization_id=website.organization_id,
            website_id=website.pk,
            number=latest.get(website.pk, 0) + 1,
            previous=website.email_tracking,
            email_tracking=EmailTracking.NEVER.value,
            country=website.country,
            declared_country=website.declared_country,
            source=VersionSource.COUNTRY_RULE.value,
            created_at=now,
        )
        for website in websites
    )


def _log_enforced(done: list[Enforced], log: Callable[[str], None], *, dry_run: bool) -> None:
    if not done:
        log("No French website is waiting for the country rule.")
    verb = "would go" if dry_run else "went"
    for organization_id, group in groupby(done, key=attrgetter("organization_id")):
        before = Counter(one.previous for one in group)
        counts = ", ".join(f"{before[name]} on {name}" for name in EmailTracking if before[name])
        found = f"{before.total()} French website{'s' if before.total() > 1 else ''}"
        log(f"Organization {organization_id}: {found} {verb} to Never track (before: {counts}).")
