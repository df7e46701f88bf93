"""Changes of what a website measures: what tightens happens at once, what loosens becomes a proposal (rules D5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Organization, User
from consent.models import PolicyProposal, ProposalKind
from consent.selectors import local_day, why_refused
from consent.services.policy import PolicyRefused, refresh_permissions
from consent.services.proposals import KIND_OF, propose_change
from consent.services.two_people import why_not_propose, why_not_tighten
from websites import services as websites
from websites.models import ConsentScope, EmailTrackingVersion, Website
from websites.rules import EmailTracking, is_french, loosens, tracks_more

type Values = dict[str, str | bool | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebsitePolicy:
    """All that a member decides about what a website measures, as the website's form has it. None: as it is."""

    country: str
    declared_country: str
    tracking: str
    opens_fallback: str | None = None
    clicks_fallback: str | None = None
    for_professionals: bool | None = None
    consent_scope: ConsentScope | None = None

    def values(self) -> Values:
        """By the field of the website."""
        named = {
            "country": self.country,
            "declared_country": self.declared_country,
            "email_tracking": str(self.tracking),
            "opens_fallback": self.opens_fallback,
            "clicks_fallback": self.clicks_fallback,
            "for_professionals": self.for_professionals,
            "consent_scope": self.consent_scope,
        }
        return {name: websites.plain(value) for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class PolicyOutcome:
    """What became of a change: the fields that changed at once, and what waits for a second person."""

    changed: list[str]
    proposed: list[PolicyProposal]


@dataclass(frozen=True, slots=True)
class _Split:
    """A change in two: what may happen at once, and what takes two people."""

    at_once: Values
    for_two: Values


def _split(organization: Organization, current: Website, wanted: Values, *, now: datetime) -> _Split:
    day = local_day(organization, now)
    before = {name: websites.plain(getattr(current, name)) for name in wanted}
    different = {name: value for name, value in wanted.items() if value != before[name]}
    if _becomes_french(current, wanted):
        different.pop("email_tracking", None)  # it goes to Never track by itself (rules F2)
    for_two = {name: value for name, value in different.items() if loosens(name, before[name], value, on=day)}
    return _Split({name: value for name, value in different.items() if name not in for_two}, for_two)


def _becomes_french(current: Website, wanted: Mapping[str, Any]) -> bool:
    return is_french(str(wanted.get("country", current.country))) and not is_french(str(current.country))


def problems_of_policy(
    organization: Organization,
    current: Website,
    policy: WebsitePolicy,
    *,
    reason: str,
    author: User | None,
    now: datetime,
) -> dict[str, str]:
    """What stands in the way of a change, by the field of the form that it is about. Empty: nothing."""
    split = _split(organization, current, policy.values(), now=now)
    problems = {}
    tracking = split.at_once.get("email_tracking") or split.for_two.get("email_tracking") or current.email_tracking
    country = policy.country
    if not _becomes_french(current, {"country": country}) and (tracking, country) != (
        current.email_tracking,
        current.country,
    ):
        refusal = why_refused(organization, current, tracking=str(tracking), country=country, now=now)
        if refusal:
            problems["country" if tracking == current.email_tracking else "email_tracking"] = refusal
    not_allowed = why_not_propose(organization, author)
    for name in split.for_two:
        if not_allowed:
            problems.setdefault(name, not_allowed)
    if split.for_two and not reason.strip() and not problems:
        problems["reason"] = _("Say why more is to be measured: the second person reads it, and it is kept.")
    return problems


def change_website_policy(
    organization: Organization,
    website: Website,
    *,
    policy: WebsitePolicy,
    author: User | None,
    reason: str,
    now: datetime,
) -> PolicyOutcome:
    """Several changes of one website at once: what tightens is done, what loosens is proposed; all or nothing."""
    with transaction.atomic():
        current = websites.lock_website(organization, website.pk)
        problems = problems_of_policy(organization, current, policy, reason=reason, author=author, now=now)
        for problem in problems.values():
            raise PolicyRefused(problem)
        split = _split(organization, current, policy.values(), now=now)
        if split.at_once:
            _tighten(organization, website, split.at_once, author=author, reason=reason, now=now)
        proposed = []
        if author is not None:
            proposed = [
                propose_change(organization, website, kind=kind, wanted=wanted, reason=reason, author=author, now=now)
                for kind, wanted in _by_kind(split.for_two).items()
            ]
    return PolicyOutcome(list(split.at_once), proposed)


def _by_kind(wanted: Values) -> dict[ProposalKind, dict[str, Any]]:
    kinds: dict[ProposalKind, dict[str, Any]] = {}
    for name, value in wanted.items():
        kinds.setdefault(KIND_OF[name], {})[name] = value
    return kinds


def _tighten(
    organization: Organization,
    website: Website,
    changes: Values,
    *,
    author: User | None,
    reason: str,
    now: datetime,
) -> None:
    """By one person, at once."""
    refusal = why_not_tighten(organization, author)
    if refusal:
        raise PolicyRefused(refusal)
    websites.change_policy(organization, website, changes, author=author, reason=reason, now=now)
    refresh_permissions(organization, website, now=now)


# --- One field of one website, or of several --------------------------------------------------------------------------


def change_email_tracking(
    organization: Organization, website: Website, *, tracking: str, author: User | None, reason: str, now: datetime
) -> EmailTrackingVersion:
    """Tighten a website's email tracking at once, on mail already delivered too. Measuring more takes a proposal."""
    with transaction.atomic():
        current = websites.lock_website(organization, website.pk)
        if tracks_more(current.email_tracking, tracking):
            raise PolicyRefused(_("Measuring more takes two people: an owner proposes it, and a second one confirms."))
        refusal = why_not_tighten(organization, author)
        if refusal:
            raise PolicyRefused(refusal)
        wanted = {"email_tracking": tracking}
        version = websites.change_policy(organization, website, wanted, author=author, reason=reason, now=now)
        refresh_permissions(organization, website, now=now)
    return version


def change_website_country(
    organization: Organization, website: Website, *, country: str, author: User | None, reason: str, now: datetime
) -> PolicyOutcome:
    """Move a website to another country. One that becomes French goes to Never track at once."""
    current = websites.lock_website(organization, website.pk)
    policy = WebsitePolicy(
        country=country, declared_country=str(current.declared_country), tracking=current.email_tracking
    )
    return change_website_policy(organization, website, policy=policy, author=author, reason=reason, now=now)


@dataclass(slots=True)
class BulkChange:
    """What became of each of several websites."""

    changed: list[Website] = field(default_factory=list)
    unchanged: list[Website] = field(default_factory=list)
    proposed: list[Website] = field(default_factory=list)
    refused: list[tuple[Website, str]] = field(default_factory=list)


def change_email_tracking_of_many(
    organization: Organization,
    many: Iterable[Website],
    *,
    tracking: str,
    author: User | None,
    reason: str,
    now: datetime,
) -> BulkChange:
    """The same setting for several websites. A refused one stops none of the others."""
    result = BulkChange()
    with transaction.atomic():
        # In one order for everybody, so that two such changes wait for each other instead of failing.
        for website in sorted(many, key=lambda one: one.pk):
            current = websites.lock_website(organization, website.pk)
            if current.email_tracking == tracking:
                result.unchanged.append(website)
                continue
            policy = WebsitePolicy(
                country=str(current.country),
                declared_country=str(current.declared_country),
                tracking=EmailTracking(tracking),
            )
            try:
                outcome = change_website_policy(
                    organization, website, policy=policy, author=author, reason=reason, now=now
                )
            except PolicyRefused as refusal:
                result.refused.append((website, str(refusal)))
            else:
                (result.proposed if outcome.proposed else result.changed).append(website)
    return result
