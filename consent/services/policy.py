"""What a website may measure: its setting, its country, its notices, and the permissions that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import connection, transaction
from django.db.models import Max
from django.utils.translation import gettext as _
from django_countries import countries

from accounts.models import Organization, User
from consent.models import Notice
from consent.rules import Basis, Kind, Permission, WebsiteState, permission_since, resolve_permission
from consent.selectors import country_name, local_day, website_state, why_refused
from websites import services as websites
from websites.models import EmailTrackingVersion, MeasurementPermission, Website
from websites.rules import UNKNOWN_COUNTRY, EmailTracking, asks_for_consent, column, is_french

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

_COLUMNS = [f"{kind}_{what}" for kind in Kind for what in ("basis", "with_yes_since", "unless_no_since")]
_UPSERT = f"""
INSERT INTO websites_measurementpermission (organization_id, website_id, scope_id, country, {", ".join(_COLUMNS)})
SELECT %s, %s, %s, resolved.*
  FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[],
              %s::text[], %s::timestamptz[], %s::timestamptz[]) AS resolved
    ON CONFLICT (website_id, country) DO UPDATE
   SET {", ".join(f"{column} = excluded.{column}" for column in _COLUMNS)}
"""  # noqa: S608 - made of the names above

type _Row = tuple[str | datetime | None, ...]
_NO_ROW: _Row = (None,) * len(_COLUMNS)


def refresh_permissions(organization: Organization, website: Website, *, now: datetime) -> None:
    """Resolve what the website permits for the people of every country, and since when.

    Whatever holds on keeps its moment, so that delivered copies go on counting; what begins, begins now. The hit
    statement reads nothing but these rows and the person's choice.
    """
    with transaction.atomic():
        current = websites.lock_website(organization, website.pk)
        state = website_state(organization, current, now=now)
        rows = MeasurementPermission.objects.filter(organization=organization, website=current)
        previous: dict[str, _Row] = {country: tuple(row) for country, *row in rows.values_list("country", *_COLUMNS)}
        bases = _bases_by_country(state, previous, local_day(organization, now))
        resolved = [
            (country, *_resolve(previous.get(country, _NO_ROW), basis_of_kind, now))
            for country, basis_of_kind in bases.items()
        ]
        changed = [row for row in resolved if row[1:] != previous.get(str(row[0]))]
        if changed:
            with connection.cursor() as cursor:
                cursor.execute(
                    _UPSERT,
                    [organization.pk, current.pk, current.consent_scope_id, *map(list, zip(*changed, strict=True))],
                )


def _bases_by_country(state: WebsiteState, known: Iterable[str], day: date) -> dict[str, dict[Kind, Basis]]:
    """What holds in every country that there is or was a row for.

    Countries of one column of the rule table that no justification tells apart share what holds, so it is asked once.
    """
    shared: dict[tuple[str, bool], dict[Kind, Basis]] = {}
    bases = {}
    for country in sorted({*countries.countries, *known} - {UNKNOWN_COUNTRY}):
        alike = column(country), country in state.justified_countries
        if alike not in shared:
            shared[alike] = _bases(state, country, day)
        bases[country] = shared[alike]
    return bases | {UNKNOWN_COUNTRY: _bases(state, "", day)}


def _bases(state: WebsiteState, participant_country: str, day: date) -> dict[Kind, Basis]:
    return {
        kind: resolve_permission(state, participant_country=participant_country, kind=kind, on=day) for kind in Kind
    }


def _resolve(previous: _Row, bases: Mapping[Kind, Basis], now: datetime) -> Iterator[str | datetime | None]:
    """The columns of one row, in their order."""
    for place, kind in enumerate(Kind):
        _basis, with_yes_since, unless_no_since = previous[3 * place : 3 * place + 3]
        before = Permission(with_yes_since, unless_no_since)  # type: ignore[arg-type]
        after = permission_since(before, bases[kind], now=now)
        yield from (bases[kind].value, after.with_yes_since, after.unless_no_since)
