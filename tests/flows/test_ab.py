"""An A/B test through the public door: launched, sent, clicked by people, judged, and the rest gets the winner once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone, translation

from campaigns.launches import expand_audience
from campaigns.models import Email, Launch, SplitTest
from campaigns.tasks import decide_tests
from campaigns.variants import Plan, Wording, launch_test, save_test
from campaigns.verdicts import result_of, verdict_words
from common.tenancy import tenant
from delivery.models import Alert, Mailing, Message
from participants.models import Participant
from tests.campaigns.world import make_campaign, make_email
from tests.delivery.world import World, make_world, subscribe_all
from tests.support.cast import Cast
from tests.support.hits import forget_hits, own_choice
from tests.support.readers import PROGRAM, Copy
from tests.support.smtp import SmtpServer

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

PEOPLE, REFUSERS = 120, 12


class Flow:
    """A crowd of which nearly everybody said yes, and an email in two versions for half of it."""

    def __init__(self, cast: Cast, server: SmtpServer) -> None:
        # The recorder and the beat go by the machine's clock, so all of this began hours ago.
        self.cast, self.server, self.known = cast, server, 0
        self.world: World = make_world(cast, timezone.now() - timedelta(hours=3))
        self.campaign = make_campaign(cast.bakery, self.world.website, now=self.world.time)
        with tenant(cast.bakery.pk):
            people = Participant.objects.bulk_create(
                Participant(
                    organization=cast.bakery, email=f"p{one}@b.example", email_norm=f"p{one}@b.example", country="BE"
                )
                for one in range(PEOPLE)
            )
            since = self.world.time
            yes = {"opens": "yes", "clicks": "yes", "opens_yes_since": since, "clicks_yes_since": since}
            for number, person in enumerate(people):
                answer = yes if number >= REFUSERS else {"opens": "no", "clicks": "no"}
                own_choice(self.world.website, person.pk, **answer).save(force_insert=True)
        subscribe_all(self.world, people)

    def launch(self, **plan: Any) -> SplitTest:
        bakery, world = self.cast.bakery, self.world
        email = make_email(bakery, self.campaign, world.topic, now=world.time, name=f"Email {world.time}")
        plan = {"share": 50, "wait_hours": 1, "automatic": True, **plan}
        with tenant(bakery.pk):
            test = save_test(
                bakery, email, Plan(**plan), [Wording(), Wording(subject="Other")], author=None, now=world.time
            )
            launch_test(bakery, email, author=self.cast.max, now=world.time)
        self.known = len(self.server.messages())
        self.send_all()
        with tenant(bakery.pk):
            return SplitTest.objects.get(pk=test.pk)

    def send_all(self) -> None:
        with tenant(self.cast.bakery.pk):
            waiting = list(Mailing.objects.filter(state__in=["scheduled", "sending"]).order_by("pk"))
        for mailing in waiting:
            self.world.send(mailing, seconds=5)

    def copies(self, launch: Launch) -> list[Copy]:
        """Those of people who may be measured, of the email that was launched latest."""
        with tenant(self.cast.bakery.pk):
            people = Participant.objects.filter(messages__mailing=launch.mailing_id)
            addresses = set(people.values_list("email_norm", flat=True))
            subject = launch.mailing.snapshot.compiled["subject"].partition(" ")[0]
        got = [one for one in self.server.messages()[self.known :] if one.rcpt_to in addresses]
        mine = [Copy(one.html) for one in got if str(one.message["subject"]).startswith(subject)]
        return [copy for copy in mine if copy.is_measured]

    def launches(self, email_id: int) -> list[Launch]:
        with tenant(self.cast.bakery.pk):
            found = Launch.objects.filter(email=email_id).select_related("mailing__snapshot", "variant", "email")
            return list(found.order_by("pk"))

    def words(self, test: SplitTest) -> str:
        with tenant(self.cast.bakery.pk), translation.override("en"):
            current = SplitTest.objects.select_related("email", "question").get(pk=test.pk)
            return verdict_words(result_of(self.cast.bakery, current, now=timezone.now()))

    def times_written(self, email: Email | int) -> Counter[int]:
        """How many people have how many copies of an email."""
        with tenant(self.cast.bakery.pk):
            people = Message.objects.filter(mailing__launch__email=email).values_list("participant_id", flat=True)
            return Counter(Counter(people).values())


@pytest.fixture
def flow(cast: Cast, tmp_path: Path, settings: Any) -> Iterator[Flow]:
    forget_hits()
    with SmtpServer(tmp_path / "sink") as server:
        settings.SMTP_URL = server.url
        settings.BASE_URL = "https://pli.example"
        yield Flow(cast, server)


def test_s9_too_small_a_sample_decides_nothing_and_a_large_enough_one_sends_the_rest_once(flow: Flow) -> None:
    bakery = flow.cast.bakery
    small = flow.launch(share=20, least=100)
    first, second = flow.launches(small.email_id)
    tested = sum(flow.times_written(small.email_id).values())
    assert 8 <= tested <= 44
    for copy in flow.copies(second):
        copy.click()
    assert decide_tests() == 0
    assert decide_tests() == 0
    assert "fewer than 100 people" in flow.words(small)
    with tenant(bakery.pk):
        assert Alert.objects.filter(subject__startswith="A/B test waits for you").count() == 1
    assert flow.times_written(small.email_id) == {1: tested}

    # The console accepts no test of so few; what is shown does not depend on it.
    enough = flow.launch(share=80, least=50)
    with tenant(bakery.pk):
        SplitTest.objects.filter(pk=enough.pk).update(least=20)
    first, second = flow.launches(enough.email_id)
    readers = flow.copies(second)
    for copy in readers[: len(readers) // 2]:
        copy.click()
        copy.click()
    for copy in flow.copies(first)[:8]:
        copy.click(by=PROGRAM)
    assert decide_tests() == 1
    assert decide_tests() == 0
    *_versions, rest = flow.launches(enough.email_id)
    assert (str(rest.variant), rest.sends_rest) == ("B", True)
    assert rest.mailing.snapshot.compiled["subject"] == "Other"
    with tenant(bakery.pk):
        decided = SplitTest.objects.get(pk=enough.pk)
        assert (decided.winner_letter, decided.decision) == ("B", "numbers")
        assert [row[0] for row in decided.figures] == ["A", "B"]
        assert decided.figures[0][2] == 0
        assert decided.figures[1][1:] == [len(readers), len(readers) // 2]
        # A crash before the answer: whoever tries again writes to nobody twice.
        for launch in flow.launches(enough.email_id):
            Mailing.objects.filter(pk=launch.mailing_id).update(expanded_at=None)
            expand_audience(bakery, launch, now=timezone.now())
    flow.send_all()
    assert flow.times_written(enough.email_id) == {1: PEOPLE}
    assert decide_tests() == 0
