"""The whole job without a stand-in: console, import, launch, Celery, real SMTP, recipients' clients, report."""

from __future__ import annotations

import csv
import http.client
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import Organization
from campaigns.models import Campaign, Email, Launch
from common.tenancy import tenant
from consent.models import Choice, ChoiceEvent, PolicyProposal, Topic
from delivery.models import Message
from intake.models import Import
from reporting.reports import report_launch
from reporting.tasks import count_hits
from tests.support.cast import PASSWORD, Cast
from tests.support.crawl import Crawler
from tests.support.servers import celery_worker, web_server
from tests.support.smtp import Received, SmtpServer
from tests.support.wait import wait_until
from websites.models import Website

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

PEOPLE = 10_000
BODY = """<mjml><mj-body><mj-section><mj-column>
<mj-text>Bonjour {{ first_name }}, <a href="https://shop.example/pain?a=1&amp;b=é#top">le pain</a> et
<a href="https://shop.example/four">le four</a>, <a href="mailto:shop@bread.example">nous écrire</a>,
<a href="tel:+3221234567">appeler</a></mj-text>
<mj-button href="https://shop.example/commander">Commander</mj-button>
<mj-text>{{ legal_name }}, {{ legal_address }} <a href="{{ preferences_url }}">Mes choix</a>
<a href="{{ unsubscribe_url }}">Se désabonner</a></mj-text>
</mj-column></mj-section></mj-body></mjml>"""
WRITTEN = ["https://shop.example/pain?a=1&b=é#top", "https://shop.example/four", "https://shop.example/commander"]
# A browser of a person: what machines lack is a language.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept-Language": "fr",
}


class Resources(HTMLParser):
    """Addresses of links and pictures of a mail."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))
        elif tag == "img" and values.get("src"):
            self.pictures.append(str(values["src"]))


@dataclass(frozen=True)
class Person:
    email: str
    country: str
    tracking: str

    @property
    def opens(self) -> bool:
        return self.tracking in ("yes", "opens")

    @property
    def clicks(self) -> bool:
        return self.tracking in ("yes", "clicks")


def make_people() -> list[Person]:
    random.seed(7)
    answers = ["yes", "no", "", "opens", "clicks"]
    return [
        Person(f"p{number}@reader.example", random.choice(["BE", "FR", "IT", "DE", "CH", ""]), random.choice(answers))
        for number in range(PEOPLE)
    ]


def write_csv(path: Path, people: list[Person]) -> bytes:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["email", "first_name", "country", "locale", "consent_email_tracking"])
        for number, person in enumerate(people):
            writer.writerow([person.email, f"Zoé {number}", person.country, "fr", person.tracking])
    return path.read_bytes()


def fetch(base: str, address: str) -> http.client.HTTPResponse:
    """GET, as a recipient's client does it, without following redirects."""
    target = urlsplit(address)
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=60)
    connection.request("GET", f"{target.path}?{target.query}" if target.query else target.path, headers=BROWSER)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


@pytest.fixture
def smtp(tmp_path: Path) -> Iterator[SmtpServer]:
    with SmtpServer(tmp_path / "smtp") as server:
        yield server


@pytest.fixture
def base(smtp: SmtpServer, settings: Any) -> Iterator[str]:
    """Web and worker, sending to the SMTP server."""
    with web_server({"PLI_SMTP_URL": smtp.url}) as base:
        settings.BASE_URL = base
        with celery_worker({"PLI_SMTP_URL": smtp.url, "PLI_BASE_URL": base}):
            yield base


def make_website_in_console(client: Client, officer: Client, organization: Organization) -> Website:
    """The owner proposes to measure by consent, the data protection officer confirms."""
    form = {
        "name": "Daily bread",
        "domain": "bread.example",
        "country": "BE",
        "sender_name": "Bakery",
        "sender_email": "news@bread.example",
    }
    assert client.post(reverse("admin:websites_website_add"), form).status_code == 302
    with tenant(organization.pk):
        website = Website.objects.get()
    assert website.email_tracking == "never"
    notice = {
        "language": "fr",
        "covers": ["opens", "clicks"],
        "text": "Nous mesurons.",
        "url": "https://bread.example/vie-privee",
    }
    assert client.post(reverse("admin:websites_website_notice", args=[website.pk]), notice).status_code == 302
    change = {**form, "email_tracking": "by_consent", "reason": "People are asked in the form."}
    assert client.post(reverse("admin:websites_website_change", args=[website.pk]), change).status_code == 302
    with tenant(organization.pk):
        proposal = PolicyProposal.objects.get()
    confirm = reverse("admin:websites_website_proposal_confirm", args=[website.pk, proposal.pk])
    assert officer.post(confirm, {f"proposal-{proposal.pk}-note": "Seen"}).status_code == 302
    with tenant(organization.pk):
        website.refresh_from_db()
        assert website.email_tracking == "by_consent"
        return website


def make_topic_in_console(client: Client, organization: Organization, website: Website) -> Topic:
    assert client.post(reverse("admin:consent_topic_add"), {"website": website.pk, "name": "News"}).status_code == 302
    with tenant(organization.pk):
        return Topic.objects.get()


def import_in_console(client: Client, organization: Organization, topic: Topic, content: bytes) -> Import:
    upload = {"kind": "participants", "file": SimpleUploadedFile("people.csv", content, content_type="text/csv")}
    assert client.post(reverse("admin:intake_import_add"), upload).status_code == 302
    with tenant(organization.pk):
        source = Import.objects.get()
    plan = {f"column_{number}": source.mapping[name] for number, name in enumerate(source.layout["header"])}
    plan |= {
        "topic": topic.pk,
        "basis": "opt_in",
        "subscription_source": "shop.example",
        "subscription_wording": "Send me news.",
        "where": "the form at shop.example",
        "collected_at": "2026-05-31",
        "wording": "May we measure opens and clicks?",
        "evidence": "export of the form, signed",
        "vouched_by": "Ana",
    }
    assert client.post(reverse("admin:intake_import_change", args=[source.pk]), plan).status_code == 302

    def finished() -> Import | None:
        with tenant(organization.pk):
            source.refresh_from_db()
        return source if source.state in ("done", "failed") else None

    wait_until(finished, 120, "the import")
    assert source.state == "done", source.message
    return source


def launch_in_console(client: Client, organization: Organization, website: Website, topic: Topic) -> Launch:
    campaign = {"website": website.pk, "name": "Autumn", "kind": "newsletter"}
    assert client.post(reverse("admin:campaigns_campaign_add"), campaign).status_code == 302
    with tenant(organization.pk):
        campaign_id = Campaign.objects.get().pk
    email = {
        "campaign": campaign_id,
        "name": "November",
        "kind": "newsletter",
        "purpose": "marketing",
        "topic": topic.pk,
        "subject": "Du pain pour {{ first_name }}",
        "body_format": "mjml",
        "body": BODY,
    }
    assert client.post(reverse("admin:campaigns_email_add"), email).status_code == 302
    with tenant(organization.pk):
        email_id = Email.objects.get().pk
    sent = client.post(reverse("admin:campaigns_email_send", args=[email_id]), {"when": "now", "launches_seen": "0"})
    assert sent.status_code == 302
    with tenant(organization.pk):
        return Launch.objects.select_related("mailing").get()


def html_part(received: Received) -> str:
    """By the parser of old, which is ten times as fast as the one that knows every header."""
    for part in message_from_bytes(received.raw).walk():
        if part.get_content_type() == "text/html":
            return bytes(part.get_payload(decode=True)).decode()
    raise AssertionError("no HTML part")


def check_mime(received: Received, person: Person, base: str) -> Resources:
    """One pixel and signed links for whom they are allowed; for everybody else what was written, nothing of ours."""
    html = html_part(received)
    found = Resources(html)
    ours = [address for address in found.links + found.pictures if address.startswith(base)]
    own_pages = [address for address in ours if re.match(r"/[pu]/", urlsplit(address).path)]
    assert len(own_pages) == 2
    pixels = [address for address in found.pictures if urlsplit(address).path.startswith("/o/")]
    clicks = [address for address in found.links if urlsplit(address).path.startswith("/c/")]
    assert len(pixels) == (1 if person.opens else 0)
    assert len(ours) == 2 + len(pixels) + len(clicks)
    assert "mailto:shop@bread.example" in found.links
    assert "tel:+3221234567" in found.links
    destinations = [parse_qs(urlsplit(address).query)["to"][0] for address in clicks]
    plain = [address for address in found.links if address.startswith("https://shop.example/")]
    assert [without_utm(one) for one in (destinations if person.clicks else plain)] == WRITTEN
    assert (plain == []) == person.clicks
    assert person.email not in html
    return found


def without_utm(address: str) -> str:
    head, hash_sign, fragment = address.partition("#")
    head = re.sub(r"[?&]utm_[a-z]+=[^&#]*", "", head)
    return f"{head}{hash_sign}{fragment}"


def test_the_main_job_from_the_website_to_the_report(cast: Cast, smtp: SmtpServer, base: str, tmp_path: Path) -> None:
    client, officer, bakery = Client(), Client(), cast.bakery
    for browser, member in ((client, cast.ana), (officer, cast.dana)):
        signed_in = browser.post(reverse("account_login"), {"login": member.email, "password": PASSWORD})
        assert signed_in.status_code == 302
    website = make_website_in_console(client, officer, bakery)
    topic = make_topic_in_console(client, bakery, website)
    people = make_people()
    source = import_in_console(client, bakery, topic, write_csv(tmp_path / "people.csv", people))
    assert source.counts["created"] == PEOPLE
    with tenant(bakery.pk):
        assert Choice.objects.filter(opens="yes").count() == sum(person.opens for person in people)
        assert ChoiceEvent.objects.filter(source="import", evidence={"import": source.pk}).exists()

    launch = launch_in_console(client, bakery, website, topic)

    def all_sent() -> bool:
        with tenant(bakery.pk):
            return not Message.objects.exclude(status="sent").exists()

    wait_until(all_sent, 240, "10,000 messages")
    messages = smtp.messages()
    received = {one.rcpt_to: one for one in messages}
    assert len(messages) == len(received) == PEOPLE
    found = {person.email: check_mime(received[person.email], person, base) for person in people}
    check_headers(received[people[0].email], base)

    opened = [person for person in people if person.opens][:300]
    clicked = [person for person in people if person.clicks][:200]
    for person in opened:
        pixel = next(one for one in found[person.email].pictures if "/o/" in one)
        assert fetch(base, pixel).status == 200
    for number, person in enumerate(clicked):
        link = [one for one in found[person.email].links if "/c/" in one][number % 3]
        answer = fetch(base, link)
        assert (answer.status, unquote(str(answer.headers["location"]))) == (
            302,
            parse_qs(urlsplit(link).query)["to"][0],
        )
    crawler = Crawler(base)
    crawler.settle()
    crawler.close()
    # Once to note how far, once to count.
    count_hits()
    count_hits()
    check_report(bakery, launch, people, opened, clicked)
    page = client.get(reverse("admin:reporting_launch", args=[launch.pk])).content.decode()
    assert f"out of {sum(person.opens for person in people)} people who could be measured" in page


def check_headers(received: Received, base: str) -> None:
    message = received.message
    assert str(message["List-Unsubscribe"]).startswith(f"<{base}/u/")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "Zoé" in str(message["Subject"])


def check_report(
    bakery: Organization, launch: Launch, people: list[Person], opened: list[Person], clicked: list[Person]
) -> None:
    with tenant(bakery.pk):
        report = report_launch(bakery, Launch.objects.get(pk=launch.pk))
    assert (report.audience, report.sent) == (PEOPLE, PEOPLE)
    assert report.opens.base == sum(person.opens for person in people)
    assert report.clicks.base == sum(person.clicks for person in people)
    assert report.opens.people.count == len(opened)
    assert report.clicks.people.count == len(clicked)
    assert sum(link.clicks for link in report.links) == len(clicked)
    refused = sum(person.tracking == "no" for person in people)
    silent = sum(not person.opens for person in people) - refused
    assert sorted(count for _sentence, count in report.opens.not_measured) == sorted([refused, silent])
    assert report.timeline[-1].starts_at <= datetime.now(UTC)
