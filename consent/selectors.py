"""Reads of consent: what a website permits, what is decided for whom, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _
from django_countries import countries

from accounts.models import Organization
from common.seldom import SeldomCounts
from consent.columns import write_choices
from consent.grounds import Decided as Decided
from consent.grounds import decide_all
from consent.grounds import decisions_for as decisions_for
from consent.models import Choice, ConsentText, LegalJustification, Notice, PolicyProposal, ProposalState, Subscription
from consent.reasons import BASES, REASONS
from consent.rules import (
    INDIVIDUAL,
    Basis,
    ChoiceValue,
    Justified,
    Level,
    Mail,
    Measurement,
    Purpose,
    WebsiteState,
    lifted_keys,
)
from participants.models import Participant
from participants.selectors import CROWD, is_crowded
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


def consent_text_for(
    organization: Organization, website: Website | None, *, language: str, place: str
) -> ConsentText | None:
    """What people are asked at a place of a website in a language; None when nobody wrote it yet."""
    texts = ConsentText.objects.filter(organization=organization, website=website, language=language, place=place)
    return texts.order_by("-version").first()


def justifications_of(organization: Organization, website: Website) -> QuerySet[LegalJustification]:
    """All legal justifications of a website, latest first."""
    return LegalJustification.objects.filter(organization=organization, website=website).select_related(
        "proposed_by", "confirmed_by", "withdrawn_by", "dpo_opinion_by"
    )


def proposals_of(organization: Organization, website: Website | None = None) -> QuerySet[PolicyProposal]:
    """All proposals of a website, or of all of them, latest first."""
    found = PolicyProposal.objects.filter(organization=organization)
    if website is not None:
        found = found.filter(website=website)
    return found.select_related("website", "proposed_by", "decided_by", "dpo_opinion_by")


def open_proposals(organization: Organization, website: Website | None = None) -> QuerySet[PolicyProposal]:
    """Those that wait for a second person."""
    return proposals_of(organization, website).filter(state=ProposalState.OPEN)


def running(justifications: QuerySet[LegalJustification], day: date) -> QuerySet[LegalJustification]:
    """Those that count on a day: confirmed, not withdrawn, not ended. The last day counts."""
    return justifications.filter(confirmed_at__isnull=False, withdrawn_at__isnull=True, ends_on__gte=day)


def notice_covers(organization: Organization, website: Website, *, now: datetime) -> frozenset[str]:
    """What people of a website are told of (rules S13): what the latest text of every language covers.

    Who reads one language is not informed by another one. A text that covers less takes back what it leaves out.
    """
    latest: dict[str, list[str]] = {}
    published = notices_of(organization, website).filter(published_at__lte=now).order_by("language", "version")
    for language, covers in published.values_list("language", "covers"):
        latest[language] = covers
    texts = [frozenset(covers) for covers in latest.values()]
    return frozenset.intersection(*texts) if texts else frozenset()


def measurements_in_use(website: Website) -> list[Measurement]:
    """What a website is set to measure, which its notices must tell of."""
    used = {"opens", "clicks", website.opens_fallback, website.clicks_fallback}
    return [one for one in Measurement if one in used]


def website_state(organization: Organization, website: Website, *, now: datetime) -> WebsiteState:
    """All that decides what the website permits at a moment."""
    counting = justifications_of(organization, website).filter(confirmed_at__isnull=False, withdrawn_at__isnull=True)
    return WebsiteState(
        tracking=EmailTracking(website.email_tracking),
        country=str(website.country),
        notice_covers=notice_covers(organization, website, now=now),
        justifications=tuple(
            Justified(rule_keys=frozenset(keys), countries=frozenset(codes), confirmed_at=confirmed_at, ends_on=ends_on)
            for keys, codes, confirmed_at, ends_on in counting.values_list(
                "rule_keys", "countries", "confirmed_at", "ends_on"
            )
            if confirmed_at is not None
        ),
        declared_country=str(website.declared_country),
        stopped=website.stopped_at is not None,
        for_professionals=website.for_professionals,
        opens_fallback=website.opens_fallback,
        clicks_fallback=website.clicks_fallback,
    )


def why_refused(
    organization: Organization, website: Website, *, tracking: str, country: str, now: datetime
) -> str | None:
    """Why a website of a country cannot be set so (rules S7), in the person's words; None when it can."""
    day = local_day(organization, now)
    if tracking != EmailTracking.ALWAYS or not asks_for_consent(country, day):
        return None
    # Opens and clicks are resolved apart: one that is not justified goes on asking for a yes.
    if lifted_keys(website_state(organization, website, now=now), country, day) & frozenset(INDIVIDUAL.values()):
        return None
    return _(
        "In %(country)s people must say yes before they are measured. A website there can be set to Always track only "
        "with a legal justification that names %(country)s: propose one on the website's page and have a second person "
        "confirm it. By consent needs none."
    ) % {"country": country_name(country)}


# --- What is decided for whom -----------------------------------------------------------------------------------------


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
    subscribed = set(
        _subscribers(organization.pk).filter(participant=participant).values_list("topic__website", flat=True)
    )
    decided: dict[tuple[int, int], Decided] = {}
    for to_subscriber in (True, False):
        mail = Mail(purpose=Purpose.MARKETING, subscribed=to_subscriber)
        ids = [website.pk for website in websites if (website.pk in subscribed) is to_subscriber]
        decided |= decide_all(organization, ids, [participant.pk], mail, now=now)
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


_SUBSCRIBED = Q(pending_since__isnull=True, unsubscribed_at__isnull=True)
# Of subscriptions: whoever is sent marketing mail now.
ACTIVE = _SUBSCRIBED & Q(paused_at__isnull=True)


def active_subscriptions(organization: Organization) -> QuerySet[Subscription]:
    """Whoever is sent marketing mail now: confirmed where that was asked for, not paused, not ended."""
    return Subscription.objects.filter(ACTIVE, organization=organization)


def _subscribers(organization_id: int) -> QuerySet[Subscription]:
    return Subscription.objects.filter(_SUBSCRIBED, organization=organization_id)


def _count_topics(organization_id: int, topic_ids: Sequence[int]) -> dict[int, int]:
    active = Subscription.objects.filter(ACTIVE, organization=organization_id, topic__in=topic_ids)
    return dict.fromkeys(topic_ids, 0) | dict(active.order_by().values_list("topic").annotate(n=Count("*")))


# How many people each topic is sent to.
subscribers_by_topic = SeldomCounts(
    "consent.selectors.subscribers_by_topic",
    _count_topics,
    kind=int,
    is_large=lambda organization_id, people: people >= CROWD,
)


def people_in_france(organization: Organization) -> dict[int, int]:
    """Subscribers in France of each website outside France that has any (product row 6)."""
    return people_in_france_counts.one(organization.pk, organization.pk)


def _count_people_in_france(organization_id: int, _numbers: Sequence[int]) -> dict[int, dict[int, int]]:
    rows = (
        _subscribers(organization_id)
        .filter(participant__country__in=sorted(FRENCH_COUNTRIES))
        .exclude(topic__website__country__in=sorted(FRENCH_COUNTRIES))
        .values_list("topic__website")
        .annotate(Count("participant", distinct=True))
        .order_by()
    )
    return {organization_id: dict(rows)}


people_in_france_counts: SeldomCounts[dict[int, int]] = SeldomCounts(
    "consent.selectors.people_in_france_counts",
    _count_people_in_france,
    kind=dict,
    is_large=lambda organization_id, people: is_crowded(organization_id),
)


def people_by_country(organization: Organization, website: Website) -> dict[str, int]:
    """Subscribers of a website by country, most first; "ZZ" for those whose country is unknown."""
    rows = (
        _subscribers(organization.pk)
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


def is_outdated(organization: Organization, website: Website, *, now: datetime) -> bool:
    """Whether time alone has taken back something that its permissions still say: a justification has ended."""
    return website.permissions.filter(organization=organization, until__lte=now).exists()
