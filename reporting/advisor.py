"""The website advisor: what stands between a website and what its settings promise, with the way to put it right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db.models import Count, Q
from django.urls import reverse
from django.utils.translation import get_language_info, ngettext
from django.utils.translation import gettext as _

from accounts.models import Organization
from campaigns.models import Participation
from consent.models import ConsentText, LegalJustification
from consent.rules import Kind
from consent.selectors import (
    active_subscriptions,
    country_name,
    justifications_of,
    local_day,
    notices_of,
    open_proposals,
    running,
)
from consent.services import sentence_of, why_it_no_longer_fits
from consent.views import missing_notices
from intake.models import EntryForm, FieldKind
from websites.models import Website
from websites.rules import UNKNOWN_COUNTRY, EmailTracking, RuleKey, asks_for_consent

SOON = timedelta(days=30)
INDIVIDUAL_KEYS = {RuleKey.INDIVIDUAL_OPENS.value, RuleKey.INDIVIDUAL_CLICKS.value}


class Topic(StrEnum):
    """What a piece of advice is about, the most urgent first."""

    STOPPED = "stopped"
    NO_NOTICE = "no_notice"
    ASKS_FOR_YES = "asks_for_yes"
    JUSTIFICATION_ENDS = "justification_ends"
    WAITING = "waiting"
    FORM_WITHOUT_CONSENT = "form_without_consent"
    WORDING_MISSING = "wording_missing"


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to see to, and where."""

    website: Website
    topic: Topic
    sentence: str
    link: str
    link_words: str


def advise(organization: Organization, *, now: datetime, website: Website | None = None) -> list[Advice]:
    """Everything that a member should see to, of one website or of all; by website, the most urgent first."""
    websites = Website.objects.filter(organization=organization).select_related("consent_scope").order_by("name")
    if website is not None:
        websites = websites.filter(pk=website.pk)
    order = list(Topic)
    found = []
    for one in websites:
        found += sorted(_of_website(organization, one, now=now), key=lambda advice: order.index(advice.topic))
    return found


def _of_website(organization: Organization, website: Website, *, now: datetime) -> Iterator[Advice]:
    yield from _state(organization, website, now=now)
    yield from _people(organization, website, now=now)
    yield from _justifications(organization, website, now=now)
    yield from _forms(organization, website)
    yield from _languages(organization, website)


def _page(website: Website, name: str = "change", query: str = "") -> str:
    return reverse(f"admin:websites_website_{name}", args=[website.pk]) + query


def _state(organization: Organization, website: Website, *, now: datetime) -> Iterator[Advice]:
    if website.stopped_at:
        yield Advice(website, Topic.STOPPED, _("Measuring is stopped."), _page(website), _("See why, or undo it"))
    missing = missing_notices(organization, website, now=now)
    if missing:
        said = _("No notice tells people of this, so it is not measured: %(kinds)s.") % {"kinds": ", ".join(missing)}
        yield Advice(website, Topic.NO_NOTICE, said, _page(website, "notice"), _("Publish a notice"))
    for proposal in open_proposals(organization, website):
        misfit = why_it_no_longer_fits(organization, proposal, now=now)
        said = misfit or _("Waits for a second person: %(change)s.") % {"change": sentence_of(proposal)}
        yield Advice(website, Topic.WAITING, said, _page(website), _("Decide"))


def _people(organization: Organization, website: Website, *, now: datetime) -> Iterator[Advice]:
    """Always track, with people whose country asks for a yes (rules S5, S7): they are not measured without one."""
    if website.email_tracking != EmailTracking.ALWAYS:
        return
    day = local_day(organization, now)
    justified = {
        code
        for one in running(justifications_of(organization, website), day)
        if INDIVIDUAL_KEYS & set(one.rule_keys)
        for code in one.countries
    }
    people_of = _people_by(organization, website, "country")
    asking = {
        code or UNKNOWN_COUNTRY: people
        for code, people in sorted(people_of.items(), key=lambda one: (-one[1], one[0]))
        if asks_for_consent(code or str(website.declared_country), day) and code not in justified
    }
    if asking:
        people = sum(asking.values())
        said = ngettext(
            "Always track, with %(people)s person in a country that asks for a yes: %(places)s.",
            "Always track, with %(people)s people in countries that ask for a yes: %(places)s.",
            people,
        ) % {
            "people": people,
            "places": ", ".join(f"{country_name(code)} {number}" for code, number in asking.items()),
        }
        yield Advice(
            website,
            Topic.ASKS_FOR_YES,
            said,
            _page(website),
            _("Set it to By consent, or see the legal justifications"),
        )


def _justifications(organization: Organization, website: Website, *, now: datetime) -> Iterator[Advice]:
    day = local_day(organization, now)
    for one in running(LegalJustification.objects.filter(organization=organization, website=website), day):
        if one.ends_on - day <= SOON:
            days = (one.ends_on - day).days
            said = ngettext(
                "The legal justification for %(places)s ends in %(days)s day.",
                "The legal justification for %(places)s ends in %(days)s days.",
                days,
            ) % {"places": ", ".join(country_name(code) for code in one.countries), "days": days}
            yield Advice(
                website, Topic.JUSTIFICATION_ENDS, said, _page(website, "justification"), _("Propose a new one")
            )


def _forms(organization: Organization, website: Website) -> Iterator[Advice]:
    forms = EntryForm.objects.filter(
        organization=organization, campaign__website=website, published_at__isnull=False
    ).select_related("campaign")
    for form in forms:
        field = form.fields.filter(kind=FieldKind.TRACKING_CONSENT).first()
        cure = reverse("admin:campaigns_campaign_change", args=[form.campaign_id])
        if field is None:
            said = _("The form of “%(campaign)s” does not ask for tracking consent.") % {"campaign": form.campaign.name}
            yield Advice(website, Topic.FORM_WITHOUT_CONSENT, said, cure, _("Open the campaign"))
            continue
        missing = [code for code in form.languages if not field.wordings.get(code)]
        if missing:
            said = _("The form of “%(campaign)s” has no wording for its tracking question in: %(languages)s.") % {
                "campaign": form.campaign.name,
                "languages": ", ".join(language_name(code) for code in missing),
            }
            yield Advice(website, Topic.WORDING_MISSING, said, cure, _("Open the campaign"))


def _languages(organization: Organization, website: Website) -> Iterator[Advice]:
    """Languages of the people of a website that it has no notice in, or does not ask in, while it measures."""
    if website.email_tracking == EmailTracking.NEVER:
        return
    spoken = languages_of(organization, website).most_common()
    told = set(notices_of(organization, website).order_by().values_list("language", flat=True))
    asked, cure, cure_words = _asked_languages(organization, website)
    for language, people in spoken:
        # Without any notice that is said already.
        if told and language not in told:
            said = ngettext(
                "%(people)s person reads %(language)s, and there is no notice in it.",
                "%(people)s people read %(language)s, and there is no notice in it.",
                people,
            ) % {"people": people, "language": language_name(language)}
            link = _page(website, "notice", f"?language={language}")
            yield Advice(website, Topic.WORDING_MISSING, said, link, _("Write it"))
        if language not in asked:
            said = ngettext(
                "%(people)s person reads %(language)s, and is asked for tracking consent only in: %(languages)s.",
                "%(people)s people read %(language)s, and are asked for tracking consent only in: %(languages)s.",
                people,
            ) % {
                "people": people,
                "language": language_name(language),
                "languages": ", ".join(sorted(map(language_name, asked))),
            }
            yield Advice(website, Topic.WORDING_MISSING, said, cure, cure_words)


def _asked_languages(organization: Organization, website: Website) -> tuple[set[str], str, str]:
    """In which languages a website asks about opens and clicks, and where another one is added.

    What it published itself; where it published nothing, people are asked in the preference centre.
    """
    about = Q(asks_for__contains=[Kind.OPENS.value]) | Q(asks_for__contains=[Kind.CLICKS.value])
    texts = ConsentText.objects.filter(about, organization=organization, website=website).exclude(language="")
    published = set(texts.order_by().values_list("language", flat=True).distinct())
    if not published:
        link = reverse("admin:campaigns_campaign_changelist")
        return set(settings.PUBLIC_LANGUAGES), link, _("Ask with a form in their language")
    forms = EntryForm.objects.filter(organization=organization, campaign__website=website)
    form = forms.filter(published_at__isnull=False).order_by("-published_at").first()
    if form is None:
        return published, reverse("admin:campaigns_campaign_changelist"), _("Ask with a form in their language")
    return published, reverse("admin:campaigns_campaign_change", args=[form.campaign_id]), _("Add it to the form")


def languages_of(organization: Organization, website: Website) -> Counter[str]:
    """How many people of a website read each language: those who subscribed, or took part in a campaign."""
    counted: Counter[str] = Counter()
    for locale, people in _people_by(organization, website, "locale").items():
        if locale:
            counted[locale[:2]] += people
    return counted


def _people_by(organization: Organization, website: Website, field: str) -> Counter[str]:
    """How many people of a website have each value of a field: those who subscribed, or took part in a campaign."""
    counted: Counter[str] = Counter()
    subscribed = active_subscriptions(organization).filter(topic__website=website)
    took_part = Participation.objects.filter(organization=organization, campaign__website=website)
    for people in (subscribed, took_part.exclude(participant__in=subscribed.values("participant"))):
        rows = people.order_by().values_list(f"participant__{field}").annotate(n=Count("participant", distinct=True))
        for value, number in rows:
            counted[str(value or "")] += number
    return counted


def language_name(code: str) -> str:
    """A language in the language of the interface; its code where Django cannot name it."""
    try:
        return str(get_language_info(code)["name_translated"])
    except KeyError:
        return code
