"""Every French website goes to Never track, once (rules F2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db import models, transaction

from websites.models import VersionSource
from websites.rules import FRENCH_COUNTRIES, EmailTracking
from websites.services.settings import NEVER_PERMITTED


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
