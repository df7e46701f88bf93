"""Reads of consent: what a website permits, what is decided for whom, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _
from django_countries import countries

from accounts.models import Organization
from consent.columns import write_choices
from consent.models import Choice, LegalJustification, Notice, Subscription
from consent.reasons import BASES, REASONS
from consent.rules import (
    BEGINNING,
    NO_PERMISSION,
    Basis,
    ChoiceState,
    ChoiceValue,
    Decision,
    Grounds,
    Level,
    Permission,
    Purpose,
    Untracked,
    WebsiteState,
    decide,
)
from participants.models import Participant
from websites.models import Website
from websites.rules import FRENCH_COUNTRIES, UNKNOWN_COUNTRY, EmailTracking, asks_for_consent, is_french

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


def local_day(organization: Organization, now: datetime) -> date:
    """The day it is where the organization is: justifications end with it, rules begin with it."""
    return now.astimezone(ZoneInfo(organization.timezone)).date()


def country_name(code: str) -> str:
    """A country in the language of the interface."""
    return _("unknown country") if code == UNKNOWN_COUNTRY else str(countries.name(code) or code)


# --- What a website permits -------------------------------------------------------------------------------------------


def notices_of(organization: Organization, website: Website) -> QuerySet[Notice]:
    """All notices of a website, latest first."""
    return Notice.objects.filter(organization=organization, website=website).select_related("published_by")


def justifications_of(organization: Organization, website: Website) -> QuerySet[LegalJustification]:
    """All legal justifications of a website, latest first."""
    return LegalJustification.objects.filter(organization=organization, website=website).select_related(
        "proposed_by", "confirmed_by", "withdrawn_by"
    )


def running(justifications: QuerySet[LegalJustification], day: date) -> QuerySet[LegalJustification]:
    """Those that count on a day: confirmed, not withdrawn, not ended. The last day counts."""
    return justifications.filter(confirmed_at__isnull=False, withdrawn_at__isnull=True, ends_on__gte=day)


def website_state(organization: Organization, website: Website, *, now: datetime) -> WebsiteState:
    """All that decides what the website permits at a moment."""
    lists = running(justifications_of(organization, website), local_day(organization, now)).values_list(
        "countries", flat=True
    )
    return WebsiteState(
        tracking=EmailTracking(website.email_tracking),
        country=str(website.country),
        has_notice=notices_of(organization, website).filter(published_at__lte=now).exists(),
        justified_countries=frozenset(code for codes in lists for code in codes),
        declared_country=str(website.declared_country),
    )


def why_refused(
    organization: Organization, website: Website, *, tracking: str, country: str, now: datetime
) -> str | None:
    """Why a website of a country cannot be set so (rules S7), in the person's words; None when it can."""
    if tracking != EmailTracking.ALWAYS or not asks_for_consent(country, local_day(organization, now)):
        return None
    if country in website_state(organization, website, now=now).justified_countries:
        return None
    return _(
        "In %(country)s people must say yes before they are measured. A website there can be set to Always track only "
        "with a legal justification that names %(country)s: propose one on the website's page and have a second person "
        "confirm it. By consent needs none."
    ) % {"country": country_name(country)}


# --- What is decided for whom -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decided:
    """The decision for one copy, with what is frozen beside it."""

    decision: Decision
    # Whose permission counts at the hit: the participant's country, or "ZZ".
    country: str
    tracking_version_id: int | None


_GROUNDS = """
SELECT person.id, website.id, coalesce(nullif(person.country, ''), 'ZZ'),
       (SELECT version.id FROM websites_emailtrackingversion version
         WHERE version.website_id = website.id ORDER BY version.number DESC LIMIT 1),
       permission.opens_basis, permission.opens_with_yes_since, permission.opens_unless_no_since,
       permission.clicks_basis, permission.clicks_with_yes_since, permission.clicks_unless_no_since,
       choice.opens, choice.opens_yes_since, choice.opens_not_no_since,
       choice.clicks, choice.clicks_yes_since, choice.clicks_not_no_since
  FROM participants_participant person
  JOIN websites_website website
    ON website.organization_id = person.organization_id AND website.id = ANY(%s)
  LEFT JOIN websites_measurementpermission permission
    ON permission.website_id = website.id AND permission.country = coalesce(nullif(person.country, ''), 'ZZ')
  LEFT JOIN consent_choice choice ON choice.participant_id = person.id
 WHERE person.organization_id = %s AND person.id = ANY(%s)
"""


def _decide_all(
    organization: Organization,
    website_ids: Iterable[int],
    participant_ids: Sequence[int],
    *,
    purpose: Purpose,
    now: datetime,
    untracked: Untracked | None,
) -> dict[tuple[int, int], Decided]:
    """The decision for each website and participant. One query; locks nothing."""
    with connection.cursor() as cursor:
        cursor.execute(_GROUNDS, [list(website_ids), organization.pk, list(participant_ids)])
        rows = cursor.fetchall()
    return {
        (website_id, participant_id): Decided(
            decide(
                _grounds(permission_and_choice[0:3], permission_and_choice[6:9]),
                _grounds(permission_and_choice[3:6], permission_and_choice[9:12]),
                purpose=purpose,
                now=now,
                untracked=untracked,
            ),
            country,
            version_id,
        )
        for participant_id, website_id, country, version_id, *permission_and_choice in rows
    }


def _grounds(permission: Sequence[Any], choice: Sequence[Any]) -> Grounds:
    basis, with_yes_since, unless_no_since = permission
    value, yes_since, not_no_since = choice
    return Grounds(
        # A country that no row knows permits nothing: what is asked for is a yes, and it holds since never.
        basis=Basis(basis) if basis else Basis.WITH_YES_BY_LAW,
        permission=Permission(with_yes_since, unless_no_since) if basis else NO_PERMISSION,
        choice=ChoiceState(ChoiceValue(value), yes_since, not_no_since)
        if value
        else ChoiceState(not_no_since=BEGINNING),
    )


def decisions_for(
    organization: Organization,
    website: Website,
    participant_ids: Sequence[int],
    *,
    purpose: Purpose | str,
    now: datetime,
    untracked: Untracked | None = None,
) -> dict[int, Decided]:
    """What is measured on a copy sent now, for each participant; used at send and in previews."""
    decided = _decide_all(
        organization, [website.pk], participant_ids, purpose=Purpose(purpose), now=now, untracked=untracked
    )
    return {participant_id: one for (_website_id, participant_id), one in decided.items()}


@dataclass(frozen=True, slots=True)
class WhyRow:
    """What a website would measure on the next email to one person, and why."""

    website: Website
    country: str
    opens: Level
    opens_sentence: _StrPromise
    clicks: Level
    clicks_sentence: _StrPromise


def why(organization: Organization, participant: Participant, *, now: datetime) -> list[WhyRow]:
    """For the page of a participant: each website of the organization, what is decided, and which rule decided it."""
    websites = list(Website.objects.filter(organization=organization).order_by("name", "pk"))
    decided = _decide_all(
        organization,
        [website.pk for website in websites],
        [participant.pk],
        purpose=Purpose.MARKETING,
        now=now,
        untracked=None,
    )
    rows = []
    for website in websites:
        one = decided[website.pk, participant.pk]
        rows.append(
            WhyRow(
                website=website,
                country=country_name(one.country),
                opens=one.decision.opens,
                opens_sentence=REASONS[one.decision.opens_reason],
                clicks=one.decision.clicks,
                clicks_sentence=REASONS[one.decision.clicks_reason],
            )
        )
    return rows


def consent_columns(choice: Choice | None) -> dict[str, str]:
    """A person's choice as imports, exports and the API write it."""
    if choice is None:
        return write_choices(ChoiceValue.UNKNOWN, ChoiceValue.UNKNOWN)
    return write_choices(ChoiceValue(choice.opens), ChoiceValue(choice.clicks))


# --- Who a website has ------------------------------------------------------------------------------------------------


def active_subscriptions(organization: Organization) -> QuerySet[Subscription]:
    """Whoever is sent marketing mail now: confirmed where that was asked for, not paused, not ended."""
    return _subscribers(organization).filter(paused_at__isnull=True)


def _subscribers(organization: Organization) -> QuerySet[Subscription]:
    return Subscription.objects.filter(
        organization=organization, pending_since__isnull=True, unsubscribed_at__isnull=True
    )


def people_in_france(organization: Organization) -> dict[int, int]:
    """Subscribers in France of each website outside France that has any (product row 6)."""
    rows = (
        _subscribers(organization)
        .filter(participant__country__in=sorted(FRENCH_COUNTRIES))
        .exclude(topic__website__country__in=sorted(FRENCH_COUNTRIES))
        .values_list("topic__website")
        .annotate(Count("participant", distinct=True))
        .order_by()
    )
    return dict(rows)


def people_by_country(organization: Organization, website: Website) -> dict[str, int]:
    """Subscribers of a website by country, most first; "ZZ" for those whose country is unknown."""
    rows = (
        _subscribers(organization)
        .filter(topic__website=website)
        .values_list("participant__country")
        .annotate(people=Count("participant", distinct=True))
        .order_by("-people", "participant__country")
    )
    return {str(country or UNKNOWN_COUNTRY): people for country, people in rows}


@dataclass(frozen=True, slots=True)
class CountryGroup:
    """The people of a website for whose countries the same holds."""

    countries: str
    people: int
    opens: _StrPromise
    clicks: _StrPromise


def measured_now(organization: Organization, website: Website) -> list[CountryGroup]:
    """What the website permits for the people it has, by country; for its own country where it has nobody yet."""
    people = people_by_country(organization, website) or {str(website.country): 0}
    bases = {
        country: (opens, clicks)
        for country, opens, clicks in website.permissions.filter(country__in=list(people)).values_list(
            "country", "opens_basis", "clicks_basis"
        )
    }
    groups: dict[tuple[str, str], list[str]] = {}
    for country in people:
        if country in bases:
            groups.setdefault(bases[country], []).append(country)
    return [
        CountryGroup(
            countries=", ".join(country_name(country) for country in members),
            people=sum(people[country] for country in members),
            opens=BASES[Basis(opens)],
            clicks=BASES[Basis(clicks)],
        )
        for (opens, clicks), members in groups.items()
    ]


@dataclass(frozen=True, slots=True)
class AbroadWarning:
    """People of a website in countries whose rules are stricter than the website's own."""

    in_france: int
    elsewhere: int
    elsewhere_names: str


def people_abroad(organization: Organization, website: Website, *, now: datetime) -> AbroadWarning | None:
    """The people that the owner of a website should know about (product row 6); None when there are none.

    In France, for a website outside France. Elsewhere, where a country asks for a yes and the website's does not.
    """
    own, day = str(website.country), local_day(organization, now)
    people = people_by_country(organization, website)
    in_france = 0 if is_french(own) else sum(people.get(code, 0) for code in FRENCH_COUNTRIES)
    stricter = [
        code
        for code in people
        if code not in FRENCH_COUNTRIES
        and code != UNKNOWN_COUNTRY
        and asks_for_consent(code, day)
        and not asks_for_consent(own, day)
    ]
    if not in_france and not stricter:
        return None
    return AbroadWarning(
        in_france=in_france,
        elsewhere=sum(people[code] for code in stricter),
        elsewhere_names=", ".join(country_name(code) for code in stricter),
    )


def has_ended_justification(organization: Organization, website: Website, *, now: datetime) -> bool:
    """Whether a justification has ended that people without an answer may still be measured by."""
    day = local_day(organization, now)
    ended = justifications_of(organization, website).filter(
        confirmed_at__isnull=False, withdrawn_at__isnull=True, ends_on__lt=day
    )
    loose = Q(opens_unless_no_since__isnull=False) | Q(clicks_unless_no_since__isnull=False)
    return ended.exists() and website.permissions.filter(loose).exists()
