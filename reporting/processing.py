"""The record of processing (GDPR article 30) and the list of sub-processors, as the configuration has them today."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import Membership, Organization, Role
from campaigns.models import Email
from common.safe_csv import safe_cell
from consent.models import Topic
from consent.reasons import MEASUREMENTS, RULE_KEYS
from consent.selectors import (
    country_name,
    justifications_of,
    local_day,
    measurements_in_use,
    notices_of,
    running,
)
from delivery.connection_models import Connection, ConnectionKind
from delivery.models import Purpose
from privacy.registers import keeping_of
from reporting.advisor import language_name
from tracking.models import HitKeeping
from websites.models import Website
from websites.rules import EmailTracking, RuleKey


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the record: under which heading, of what, and what holds."""

    heading: str
    subject: str
    words: str


@dataclass(frozen=True, slots=True)
class SubProcessor:
    """Somebody outside who gets personal data, and why."""

    name: str
    service: str
    data: str


def record_of_processing(organization: Organization, *, now: datetime) -> list[Entry]:
    """Every line, in the order in which article 30 asks for them."""
    return [
        *_controller(organization),
        *_purposes(organization),
        *_people(organization),
        *_websites(organization, now=now),
        *_retention(organization),
        *(Entry(_("Recipients"), one.name, f"{one.service}: {one.data}") for one in sub_processors(organization)),
        *_security(),
    ]


def _controller(organization: Organization) -> Iterator[Entry]:
    heading = _("Controller")
    yield Entry(heading, _("Name"), organization.legal_name or organization.name)
    yield Entry(heading, _("Address"), organization.legal_address or "–")
    officers = Membership.objects.filter(organization=organization, role=Role.DPO).select_related("user")
    named = ", ".join(f"{one.user} ({one.user.email})" for one in officers)
    yield Entry(heading, _("Data protection officer"), named or _("none is a member here"))


def _purposes(organization: Organization) -> Iterator[Entry]:
    heading = _("Purposes")
    used = set(Email.objects.filter(organization=organization).order_by().values_list("purpose", flat=True).distinct())
    for purpose in Purpose:
        if purpose.value in used:
            yield Entry(heading, str(purpose.label), _("Emails of this purpose are sent."))
    topics = Topic.objects.filter(organization=organization).select_related("website").order_by("website__name", "name")
    for topic in topics:
        yield Entry(heading, str(topic), _("Marketing emails to the people who subscribed to this topic."))


def _people(organization: Organization) -> Iterator[Entry]:
    heading = _("Categories of people and data")
    yield Entry(
        heading, _("Participants"), _("Address, name, country, language, and the attributes that are imported.")
    )
    yield Entry(heading, _("Subscriptions"), _("Topic, ground, source, wording and times."))
    yield Entry(
        heading, _("Tracking consent"), _("Each answer about opens and clicks, with its wording, source and time.")
    )
    yield Entry(
        heading,
        _("Opens and clicks"),
        _("Of people who may be measured, with the time and whether a machine did it; no IP address, no user agent."),
    )
    yield Entry(heading, _("Members"), _("Name, address, role, and what they decided."))


def _websites(organization: Organization, *, now: datetime) -> Iterator[Entry]:
    day = local_day(organization, now)
    websites = list(Website.objects.filter(organization=organization).select_related("consent_scope").order_by("name"))
    for website in websites:
        yield Entry(_("Measuring"), website.name, _setting(website))
    for website in websites:
        for one in running(justifications_of(organization, website), day):
            words = _("%(rows)s in %(places)s until %(day)s: %(reason)s") % {
                "rows": ", ".join(str(RULE_KEYS[RuleKey(key)]) for key in one.rule_keys),
                "places": ", ".join(country_name(code) for code in one.countries),
                "day": date_format(one.ends_on),
                "reason": one.reason,
            }
            yield Entry(_("Legal justifications"), website.name, words)
    for website in websites:
        yield from _notices(organization, website)


def _notices(organization: Organization, website: Website) -> Iterator[Entry]:
    """The latest text of each language."""
    seen = set()
    for notice in notices_of(organization, website).order_by("language", "-version"):
        if notice.language in seen:
            continue
        seen.add(notice.language)
        words = _("%(language)s, version %(version)s of %(day)s: %(url)s") % {
            "language": language_name(notice.language),
            "version": notice.version,
            "day": date_format(notice.published_at),
            "url": notice.url,
        }
        yield Entry(_("Notices"), website.name, words)


def _setting(website: Website) -> str:
    words = [f"{country_name(str(website.country))} · {website.get_email_tracking_display()}"]
    if website.stopped_at:
        words.append(_("measuring stopped"))
    elif website.email_tracking != EmailTracking.NEVER:
        words.append(", ".join(str(MEASUREMENTS[one]) for one in measurements_in_use(website)))
    words.append(_("consent scope %(name)s") % {"name": website.consent_scope.name})
    return " · ".join(words)


def _retention(organization: Organization) -> Iterator[Entry]:
    heading = _("Retention")
    kept = HitKeeping.objects.filter(organization=organization).first() or HitKeeping(organization=organization)
    yield Entry(heading, _("Opens and clicks"), _months(kept.months))
    keeping = keeping_of(organization)
    for name in ("participants_months", "participations_months", "requests_months", "proofs_months"):
        label = str(getattr(keeping._meta.get_field(name), "verbose_name", name))
        yield Entry(heading, f"{label[:1].upper()}{label[1:]}", _months(getattr(keeping, name)))


def _months(number: int | None) -> str:
    return _("%(number)s months") % {"number": number} if number else _("as long as the organization is here")


def _security() -> Iterator[Entry]:
    heading = _("Security")
    yield Entry(heading, _("Organizations"), _("Each one's rows are behind row-level security of the database."))
    yield Entry(heading, _("Recipients' devices"), _("No IP address and no user agent is stored or logged."))
    yield Entry(heading, _("Credentials"), _("Passwords are hashed; keys of mail servers are encrypted."))


def sub_processors(organization: Organization) -> list[SubProcessor]:
    """Who gets personal data because somebody configured it; nobody else does."""
    data = _("addresses and content of emails")
    found: list[SubProcessor] = []
    if settings.SMTP_URL:
        found.append(
            SubProcessor(urlsplit(settings.SMTP_URL).hostname or "–", _("Mail server of this installation"), data)
        )
    chosen = Connection.objects.filter(organization=organization).exclude(kind=ConnectionKind.BUILTIN)
    for one in chosen.order_by("name"):
        name = one.provider or one.host or one.name
        found.append(SubProcessor(name, str(one.get_kind_display()), data))
    return found


# --- Exports ----------------------------------------------------------------------------------------------------------


def as_json(organization: Organization, *, now: datetime) -> str:
    """The whole record for machines."""
    record: dict[str, Any] = {
        "made_at": now.isoformat(),
        "organization": organization.name,
        "record_of_processing": [
            {"heading": one.heading, "subject": one.subject, "words": one.words}
            for one in record_of_processing(organization, now=now)
        ],
        "sub_processors": [
            {"name": one.name, "service": one.service, "data": one.data} for one in sub_processors(organization)
        ],
    }
    return json.dumps(record, ensure_ascii=False, indent=2)


def as_csv(organization: Organization, *, now: datetime) -> str:
    """The whole record for spreadsheets; nothing in it runs."""
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow([_("Heading"), _("Subject"), _("What holds")])
    for one in record_of_processing(organization, now=now):
        writer.writerow([safe_cell(one.heading), safe_cell(one.subject), safe_cell(one.words, limit=20_000)])
    return lines.getvalue()
