"""What a website may measure: its setting, its country, its notices, and the permissions that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from accounts.models import Organization, User
from consent.models import Notice, individual_measurement
from consent.rules import Measurement
from consent.selectors import country_name, local_day, why_refused
from consent.services.permissions import refresh_permissions
from websites import services as websites
from websites.models import EmailTrackingVersion, Website
from websites.rules import EmailTracking, asks_for_consent, is_french

LOOSENESS = {EmailTracking.NEVER: 0, EmailTracking.BY_CONSENT: 1, EmailTracking.ALWAYS: 2}


class PolicyRefused(Exception):  # noqa: N818 - the words of the person who is refused, not a fault
    """A change that the rules do not allow; the message is for the person who asked."""


def open_website(
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
    """A new website, on Never track, with its permissions resolved."""
    with transaction.atomic():
        website = websites.create_website(
            organization,
            name=name,
            domain=domain,
            country=country,
            sender_name=sender_name,
            sender_email=sender_email,
            author=author,
            now=now,
            tracking_domain=tracking_domain,
            declared_country=declared_country,
        )
        refresh_permissions(organization, website, now=now)
    return website


def change_email_tracking(
    organization: Organization, website: Website, *, tracking: str, author: User | None, reason: str, now: datetime
) -> EmailTrackingVersion:
    """Set a website's email tracking, from the next message on; a tightening also reaches mail already delivered."""
    with transaction.atomic():
        current = websites.lock_website(organization, website.pk)
        same_place = WebsitePolicy(
            country=str(current.country), declared_country=str(current.declared_country), tracking=tracking
        )
        for problem in problems_of_policy(organization, current, same_place, reason=reason, now=now).values():
            raise PolicyRefused(problem)
        version = websites.change_email_tracking(
            organization, website, tracking=tracking, author=author, reason=reason, now=now
        )
        refresh_permissions(organization, website, now=now)
    return version


@dataclass(slots=True)
class BulkChange:
    """What became of each of several websites."""

    changed: list[Website] = field(default_factory=list)
    unchanged: list[Website] = field(default_factory=list)
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
            before = websites.lock_website(organization, website.pk).email_tracking
            if before == tracking:
                result.unchanged.append(website)
                continue
            try:
                change_email_tracking(organization, website, tracking=tracking, author=author, reason=reason, now=now)
            except PolicyRefused as refusal:
                result.refused.append((website, str(refusal)))
            else:
                result.changed.append(website)
    return result


def change_website_country(
    organization: Organization, website: Website, *, country: str, author: User | None, reason: str, now: datetime
) -> EmailTrackingVersion:
    """Move a website to another country. One that becomes French goes to Never track at once."""
    with transaction.atomic():
        current = websites.lock_website(organization, website.pk)
        goes_to_never = is_french(country) and not is_french(str(current.country))
        if not goes_to_never:
            tracking = current.email_tracking
            refusal = why_refused(organization, current, tracking=tracking, country=country, now=now)
            if refusal:
                raise PolicyRefused(refusal)
        version = websites.change_country(organization, website, country=country, author=author, reason=reason, now=now)
        refresh_permissions(organization, website, now=now)
    return version


@dataclass(frozen=True, slots=True, kw_only=True)
class WebsitePolicy:
    """All that a member decides about what a website measures, as the website's form has it."""

    country: str
    declared_country: str
    tracking: str


def problems_of_policy(
    organization: Organization, current: Website, policy: WebsitePolicy, *, reason: str, now: datetime
) -> dict[str, str]:
    """What stands in the way of a change, by the field of the form that it is about. Empty: nothing."""
    problems = {}
    tracking = _tracking_after(current, policy)
    if (tracking, policy.country) != (current.email_tracking, current.country):
        refusal = why_refused(organization, current, tracking=tracking, country=policy.country, now=now)
        if refusal:
            problems["country" if tracking == current.email_tracking else "email_tracking"] = refusal
    if not reason.strip() and _loosens(current.email_tracking, tracking):
        problems["reason"] = _("Say why more is to be measured: the reason is kept with the change.")
    elif not reason.strip() and _declares_looser(organization, current, policy.declared_country, now=now):
        problems["reason"] = _(
            "Say why people of unknown country count as being in %(country)s: the reason is kept with the change."
        ) % {"country": country_name(policy.declared_country)}
    return problems


def _tracking_after(current: Website, policy: WebsitePolicy) -> EmailTracking:
    """What the form says, unless the website becomes French (rules F2)."""
    becomes_french = is_french(policy.country) and not is_french(str(current.country))
    return EmailTracking.NEVER if becomes_french else EmailTracking(policy.tracking)


def _loosens(before: str, after: str) -> bool:
    return LOOSENESS[EmailTracking(after)] > LOOSENESS[EmailTracking(before)]


def _declares_looser(organization: Organization, current: Website, country: str, *, now: datetime) -> bool:
    changes = bool(country) and country != current.declared_country
    return changes and not asks_for_consent(country, local_day(organization, now))


def change_website_policy(
    organization: Organization,
    website: Website,
    *,
    policy: WebsitePolicy,
    author: User | None,
    reason: str,
    now: datetime,
) -> None:
    """Several changes of one website at once: all or none, each a version of its own."""
    with transaction.atomic():
        current = websites.lock_website(organization, website.pk)
        for problem in problems_of_policy(organization, current, policy, reason=reason, now=now).values():
            raise PolicyRefused(problem)
        tracking = _tracking_after(current, policy)
        # What is tightened together with a move must not stand in its way. A move to France tightens by itself.
        if LOOSENESS[tracking] < LOOSENESS[EmailTracking(current.email_tracking)] and tracking == policy.tracking:
            _set_tracking(organization, website, tracking, author=author, reason=reason, now=now)
        if policy.country != current.country:
            change_website_country(organization, website, country=policy.country, author=author, reason=reason, now=now)
        if policy.declared_country != current.declared_country:
            websites.change_declared_country(
                organization, website, country=policy.declared_country, author=author, reason=reason, now=now
            )
            refresh_permissions(organization, website, now=now)
        _set_tracking(organization, website, tracking, author=author, reason=reason, now=now)


def _set_tracking(
    organization: Organization,
    website: Website,
    tracking: EmailTracking,
    *,
    author: User | None,
    reason: str,
    now: datetime,
) -> None:
    if websites.lock_website(organization, website.pk).email_tracking != tracking:
        change_email_tracking(organization, website, tracking=tracking, author=author, reason=reason, now=now)


def publish_notice(
    organization: Organization,
    website: Website,
    *,
    language: str,
    text: str,
    url: str,
    author: User | None,
    now: datetime,
    covers: Sequence[str] | None = None,
) -> Notice:
    """Tell people of a website what is measured. A new text is a new version; the older ones stay (rules S13).

    ``covers``: each ``Measurement`` that the text tells of; opens and clicks of single people unless said otherwise.
    """
    with transaction.atomic():
        current = websites.lock_website(organization, website.pk)
        earlier = Notice.objects.filter(organization=organization, website=current, language=language)
        notice = Notice.objects.create(
            organization=organization,
            website=current,
            language=language,
            version=(earlier.aggregate(version=Max("version"))["version"] or 0) + 1,
            text=text,
            url=url,
            covers=individual_measurement() if covers is None else [Measurement(one).value for one in covers],
            published_at=now,
            published_by=author,
        )
        refresh_permissions(organization, website, now=now)
    return notice
