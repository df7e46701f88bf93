"""A mailing to send, a crowd to send it to, and workers in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.db import connection
from django.utils import timezone

from common.tenancy import tenant
from consent.models import Topic
from consent.rules import ChoiceValue
from delivery.models import Mailing, Message, Purpose
from delivery.rendering import EmailSource, FooterLabels, compile_email
from delivery.sending import Progress, send_mailing
from delivery.services import (
    create_mailing,
    freeze_content,
)
from participants.models import Participant
from tests.support.cast import Cast
from tests.support.smtp import Received, SmtpServer
from tests.support.world import choose, make_participant, make_topic, make_website
from tracking.models import TrackedMessage
from websites.models import Website
from websites.rules import EmailTracking

HTML = """<html><body><p>Bonjour {{ first_name | default: "vous" }},</p>
<a href="https://bread.example/rye?a=1&amp;b=2">Rye</a> <a href="https://bread.example/boule">Boule</a>
<img src="https://bread.example/hero.png" alt="Bread"></body></html>"""


@dataclass
class World:
    """A website of Bakery with a topic, and a clock that tests turn."""

    cast: Cast
    website: Website
    topic: Topic
    time: datetime

    def clock(self) -> datetime:
        return self.time

    def person(self, name: str, *, choice: ChoiceValue | None = None, **fields: str) -> Participant:
        organization = self.cast.bakery
        fields = {"country": "BE", "first_name": name.title(), **fields}
        person = make_participant(organization, f"{name}@example.org", now=self.time, **fields)
        subscribe_all(self, [person])
        if choice is not None:
            choose(organization, person, now=self.time, opens=choice, clicks=choice)
        return person

    def mailing(
        self, people: list[Participant], *, html: str = HTML, purpose: Purpose = Purpose.MARKETING, topic: bool = True
    ) -> Mailing:
        """A mailing that is due now, to these people."""
        organization = self.cast.bakery
        labels = FooterLabels(unsubscribe="Unsubscribe", preferences="Your choice about measuring")
        source = EmailSource(
            subject="Le pain de {{ first_name }}",
            body=html,
            body_format="html",
            labels=labels,
            marketing=purpose == Purpose.MARKETING,
        )
        with tenant(organization.pk):
            snapshot = freeze_content(
                organization,
                self.website,
                compiled=compile_email(source),
                purpose=purpose,
                now=self.time,
                sender_name="Le fournil",
                reply_to="reply@bread.example",
            )
            mailing = create_mailing(
                organization,
                snapshot,
                topic=self.topic if topic else None,
                purpose=purpose,
                not_before=self.time,
                now=self.time,
            )
            Message.objects.bulk_create(
                [Message(organization=organization, mailing=mailing, participant=person) for person in people]
            )
            Mailing.objects.filter(pk=mailing.pk).update(expanded_at=self.time)
        return mailing

    def send(self, mailing: Mailing, **later: float) -> Progress:
        self.time += timedelta(**later)
        return send_mailing(self.cast.bakery.pk, mailing.pk, clock=self.clock)

    def rows(self, mailing: Mailing) -> dict[str, Message]:
        """The messages by the name before the @."""
        with tenant(self.cast.bakery.pk):
            messages = Message.objects.filter(mailing=mailing).select_related("participant", "tracked_message")
            return {row.participant.email.partition("@")[0]: row for row in messages}

    def statuses(self, mailing: Mailing) -> dict[str, str]:
        return {name: row.status for name, row in self.rows(mailing).items()}

    def state(self, mailing: Mailing) -> Mailing:
        with tenant(self.cast.bakery.pk):
            return Mailing.objects.get(pk=mailing.pk)

    def tracked(self) -> int:
        with tenant(self.cast.bakery.pk):
            return TrackedMessage.objects.count()


def subscribe_all(world: World, people: list[Participant]) -> None:
    with tenant(world.cast.bakery.pk), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO consent_subscription (organization_id, participant_id, topic_id, basis, source, wording,"
            " subscribed_at) SELECT %s, unnest(%s::bigint[]), %s, 'opt_in', 'test', '', %s",
            [world.cast.bakery.pk, [person.pk for person in people], world.topic.pk, world.time],
        )


def make_world(cast: Cast, moment: datetime) -> World:
    website = make_website(cast.bakery, cast.ana, now=moment, tracking=EmailTracking.BY_CONSENT)
    return World(cast, website, make_topic(cast.bakery, website), moment + timedelta(minutes=1))


def by_name(server: SmtpServer) -> dict[str, Received]:
    return {received.rcpt_to.partition("@")[0]: received for received in server.messages()}


WORKER = """
import sys, django
django.setup()
from delivery.sending import send_mailing
print("ready", flush=True)
send_mailing(int(sys.argv[1]), int(sys.argv[2]))
"""


def start_worker(world: World, mailing: Mailing, server: SmtpServer | str, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(world.cast.bakery.pk), str(mailing.pk)],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PLI_SMTP_URL": server if isinstance(server, str) else server.url,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **environ,
        },
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )


def end(worker: subprocess.Popen[str]) -> int:
    code = worker.wait(60)
    assert worker.stdout is not None
    worker.stdout.close()
    return code


def crowd(world: World, size: int) -> list[Participant]:
    """People of whom every third said yes."""
    organization = world.cast.bakery
    with tenant(organization.pk), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO participants_participant (organization_id, email, email_norm, country, locale, first_name,"
            " last_name, external_id, attributes, created_at, updated_at) SELECT %s, 'p' || n || '@example.org',"
            " 'p' || n || '@example.org', 'BE', '', 'Person ' || n, '', '', '{}', %s, %s FROM generate_series(1, %s) n",
            [organization.pk, world.time, world.time, size],
        )
        cursor.execute(
            "INSERT INTO consent_choice (organization_id, participant_id, scope_id, opens, opens_source, opens_at,"
            " opens_yes_since, opens_not_no_since, clicks, clicks_source, clicks_at, clicks_yes_since,"
            " clicks_not_no_since)"
            " SELECT organization_id, id, %(scope)s, 'yes', 'person', %(t)s, %(t)s, %(t)s, 'yes', 'person', %(t)s,"
            " %(t)s, %(t)s"
            " FROM participants_participant WHERE id %% 3 = 0",
            {"t": world.time, "scope": world.website.consent_scope_id},
        )
        people = list(Participant.objects.all())
    subscribe_all(world, people)
    return people


def real_world(cast: Cast) -> World:
    """With the machine's clock, for tests in which other processes take part."""
    world = make_world(cast, timezone.now() - timedelta(minutes=10))
    world.clock = timezone.now  # type: ignore[method-assign]
    return world
