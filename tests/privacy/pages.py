"""Zoe, who gets the mail of Bakery, and the ways to her pages."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.http import HttpResponse
from django.test import Client

from common.keys import encode_key, new_key
from common.tenancy import tenant
from consent.models import Choice, Subscription, Topic
from consent.services import ensure_preference_keys
from delivery.models import ContentSnapshot, Mailing, Message, ServiceMessage
from delivery.rendering import BodyFormat, EmailSource, FooterLabels, compile_email
from delivery.services import envelope_of
from participants.models import Participant
from privacy.models import InactivityCheck, InactivityRule
from tests.support.cast import Cast
from tests.support.world import make_participant, make_topic, make_website, subscribe_to
from tracking.models import TrackedContent
from websites.models import ConsentScope, Website

PREFETCH = {"Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch", "X-Moz": "prefetch"}
SCANNER = {"User-Agent": "Mozilla/5.0 (compatible; LinkScanner/1.0)"}


@dataclass(frozen=True)
class Home:
    """Where Zoe lives: her website, what she gets, and the addresses in her latest mail."""

    cast: Cast
    website: Website
    topic: Topic
    other_topic: Topic
    zoe: Participant
    message: Message
    preferences: str
    unsubscribe: str

    def subscribed(self) -> set[str]:
        with tenant(self.cast.bakery.pk):
            rows = Subscription.objects.filter(participant=self.zoe, unsubscribed_at__isnull=True)
            return set(rows.values_list("topic__name", flat=True))

    def choice(self, scope: ConsentScope | None = None) -> Choice | None:
        with tenant(self.cast.bakery.pk):
            return Choice.objects.filter(participant=self.zoe, scope=scope or self.website.consent_scope).first()

    def mails(self, kind: str) -> list[ServiceMessage]:
        with tenant(self.cast.bakery.pk):
            return list(ServiceMessage.objects.filter(kind=kind).order_by("id"))

    def link(self, kind: str = "fresh_link_data") -> str:
        """The address in the latest mail of a kind."""
        found = re.search(r"/me/\S+", self.mails(kind)[-1].text)
        assert found is not None
        return found[0]

    def open_data(self, client: Client) -> tuple[str, str, HttpResponse]:
        """Ask for a link, open it: its address, the key of the page, and the page."""
        client.post(self.preferences, {"do": "link"})
        address = self.link()
        page = client.post(address, {"do": "open"})
        found = re.search(r'name="page" value="([^"]+)"', page.content.decode())
        assert found is not None
        return address, found[1], page


def make_home(cast: Cast, now: datetime, *, locale: str = "en") -> Home:
    website = make_website(cast.bakery, cast.ana, now=now)
    topic, other = make_topic(cast.bakery, website), make_topic(cast.bakery, website, "Offers")
    zoe = make_participant(cast.bakery, "zoe@home.example", now=now, locale=locale, first_name="Zoe")
    subscribe_to(cast.bakery, zoe, topic, now=now)
    message = send_copy(cast, topic, zoe, now=now)
    with tenant(cast.bakery.pk):
        key = ensure_preference_keys(cast.bakery, [zoe.pk], scope_id=website.consent_scope_id)[zoe.pk]
    return Home(
        cast=cast,
        website=website,
        topic=topic,
        other_topic=other,
        zoe=zoe,
        message=message,
        preferences=f"/p/{encode_key(key)}",
        unsubscribe=f"/u/{encode_key(message.unsubscribe_key)}",
    )


def send_copy(cast: Cast, topic: Topic, person: Participant, *, now: datetime, with_topic: bool = True) -> Message:
    """A sent copy, without the sending."""
    with tenant(cast.bakery.pk):
        common = {"organization": cast.bakery, "website": topic.website}
        content = TrackedContent.objects.create(
            **common, links=[{"number": 1, "url": "https://bread.example/rye", "label": "Rye"}]
        )
        snapshot = ContentSnapshot.objects.create(
            **common, tracked_content=content, compiled={"subject": "Fresh bread for {{ first_name }}"}
        )
        mailing = Mailing.objects.create(
            **common, snapshot=snapshot, topic=topic if with_topic else None, purpose="marketing", not_before=now
        )
        message = Message.objects.create(
            organization=cast.bakery,
            mailing=mailing,
            participant=person,
            status="sent",
            sent_at=now,
            reference=new_key(),
            unsubscribe_key=new_key(),
            opens="none",
            clicks="none",
            opens_reason="no_answer",
            clicks_reason="no_answer",
        )
        message.refresh_from_db()
    return message


def page_of_copy(home: Home, body: str = "<html><body><p>Dear {{ first_name }}</p></body></html>") -> str:
    """The page of Zoe's latest copy in a browser, as if its template had led there."""
    source = EmailSource(
        subject="Fresh bread for {{ first_name }}",
        body=body,
        body_format=BodyFormat.HTML,
        labels=FooterLabels(unsubscribe="Unsubscribe", preferences="Your choice"),
    )
    envelope = envelope_of(home.cast.bakery, home.website, purpose="marketing")
    compiled = {**compile_email(source).to_dict(), "envelope": asdict(envelope)}
    key = new_key()
    with tenant(home.cast.bakery.pk):
        ContentSnapshot.objects.filter(pk=home.message.mailing.snapshot_id).update(compiled=compiled)
        Message.objects.filter(pk=home.message.pk).update(web_version_key=key)
    return f"/w/{encode_key(key)}"


def ask_to_stay(home: Home) -> InactivityCheck:
    """Zoe has been silent, and was asked."""
    asked_at = home.message.queued_at
    with tenant(home.cast.bakery.pk):
        rule, _made = InactivityRule.objects.get_or_create(organization=home.cast.bakery, website=home.website)
        return InactivityCheck.objects.create(
            organization=home.cast.bakery,
            rule=rule,
            participant=home.zoe,
            key=new_key(),
            asked_at=asked_at,
            answer_by=asked_at + timedelta(days=30),
        )
