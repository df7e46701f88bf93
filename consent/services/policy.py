"""What a website may measure: its setting, its country, its notices, and the permissions that follow from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _
from django_countries import countries

from accounts.models import Organization, User
from consent.models import Notice
from consent.rules import Kind, Permission, WebsiteState, permission_since, resolve_permission
from consent.selectors import country_name, local_day, website_state, why_refused
from websites import services as websites
from websites.models import EmailTrackingVersion, MeasurementPermission, Website
from websites.rules import UNKNOWN_COUNTRY, EmailTracking, asks_for_consent, is_french

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
        _require_reason(current.email_tracking, tracking, reason)
        refusal = why_refused(organization, current, tracking=tracking, country=str(current.country.code), now=now)
        if refusal:
            raise PolicyRefused(refusal)
        version = websites.change_email_tracking(
            organization, website, tracking=tracking, author=author, reason=reason, now=now
        )
        refresh_permissions(organization, website, now=now)
    return version


def _require_reason(before: str, after: str, reason: str) -> None:
    loosens = LOOSENESS[EmailTracking(after)] > LOOSENESS[EmailTracking(before)]
    if loosens and not reason.strip():
        raise PolicyRefused(_("Say why more is to be measured: the reason is kept with the change."))


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
        goes_to_never = is_french(country) and not is_french(str(current.country.code))
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
        becomes_french = is_french(policy.country) and not is_french(str(current.country.code))
        tracking = EmailTracking.NEVER if becomes_french else EmailTracking(policy.tracking)
        tightens = LOOSENESS[tracking] < LOOSENESS[EmailTracking(current.email_tracking)]
        # What is tightened together with a move must not stand in the move's way, nor be recorded twice.
        if tightens and not becomes_french:
            _set_tracking(organization, website, tracking, author=author, reason=reason, now=now)
        if policy.country != current.country:
            change_website_country(organization, website, country=policy.country, author=author, reason=reason, now=now)
        if policy.declared_country != current.declared_country:
            _require_reason_to_declare(organization, policy.declared_country, reason, now=now)
            websites.change_declared_country(
                organization, website, country=policy.declared_country, author=author, reason=reason, now=now
            )
            refresh_permissions(organization, website, now=now)
        _set_tracking(organization, website, tracking, author=author, reason=reason, now=now)


def _require_reason_to_declare(organization: Organization, country: str, reason: str, *, now: datetime) -> None:
    loosens = country and not asks_for_consent(country, local_day(organization, now))
    if loosens and not reason.strip():
        raise PolicyRefused(
            _("Say why people of unknown country count as being in %(country)s: the reason is kept with the change.")
            % {"country": country_name(country)}
        )


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
) -> Notice:
    """Tell people of a website what is measured. A new text is a new version; the older ones stay (rules S13)."""
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
            published_at=now,
            published_by=author,
        )
        refresh_permissions(organization, website, now=now)
    return notice


# --- Permissions ------------------------------------------------------------------------------------------------------

_COLUMNS = {
    Kind.OPENS: ("opens_basis", "opens_with_yes_since", "opens_unless_no_since"),
    Kind.CLICKS: ("clicks_basis", "clicks_with_yes_since", "clicks_unless_no_since"),
}
_ALL_COLUMNS = [column for columns in _COLUMNS.values() for column in columns]


def refresh_permissions(organization: Organization, website: Website, *, now: datetime) -> None:
    """Resolve what the website permits for the people of every country, and since when.

    Whatever holds on keeps its moment, so that delivered copies go on counting; what begins, begins now. The hit
    statement reads nothing but these rows and the person's choice.
    """
    with transaction.atomic():
        current = websites.lock_website(organization, website.pk)
        state = website_state(organization, current, now=now)
        rows = MeasurementPermission.objects.filter(organization=organization, website=current)
        previous = {row.country: row for row in rows}
        day = local_day(organization, now)
        resolved = [
            _resolve_row(current, country, previous.get(country), state=state, day=day, now=now)
            for country in sorted({UNKNOWN_COUNTRY, *countries.countries, *previous})
        ]
        MeasurementPermission.objects.bulk_create(
            [row for row in resolved if _differs(row, previous.get(row.country))],
            update_conflicts=True,
            unique_fields=["website", "country"],
            update_fields=_ALL_COLUMNS,
        )


def _resolve_row(
    website: Website,
    country: str,
    previous: MeasurementPermission | None,
    *,
    state: WebsiteState,
    day: date,
    now: datetime,
) -> MeasurementPermission:
    row = MeasurementPermission(organization_id=website.organization_id, website=website, country=country)
    participant_country = "" if country == UNKNOWN_COUNTRY else country
    for kind, (basis_column, with_yes_column, unless_no_column) in _COLUMNS.items():
        basis = resolve_permission(state, participant_country=participant_country, kind=kind, on=day)
        before = Permission(getattr(previous, with_yes_column, None), getattr(previous, unless_no_column, None))
        after = permission_since(before, basis, now=now)
        setattr(row, basis_column, basis.value)
        setattr(row, with_yes_column, after.with_yes_since)
        setattr(row, unless_no_column, after.unless_no_since)
    return row


def _differs(row: MeasurementPermission, previous: MeasurementPermission | None) -> bool:
    return previous is None or any(getattr(row, column) != getattr(previous, column) for column in _ALL_COLUMNS)
