"""A website with its people, for tests from the setting to the hit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone

from common.tenancy import tenant
from consent.models import LegalJustification
from consent.rules import ChoiceValue, Measurement
from consent.services import (
    confirm_justification,
    propose_justification,
    publish_notice,
)
from delivery.models import Mailing
from participants.models import Participant
from tests.delivery.world import World
from tests.support.cast import Cast
from tests.support.readers import Copy
from tests.support.smtp import SmtpServer
from tests.support.world import choose, loosen, make_topic, make_website, set_tracking
from tracking.models import AnonymousTotal, Hit, LastOpenDay
from tracking.tasks import delete_hits_of_participant
from websites.rules import RuleKey

YES, NO = ChoiceValue.YES, ChoiceValue.NO


@dataclass
class Flow:
    """A website with its people, and the server that gets their mail."""

    world: World
    server: SmtpServer

    @property
    def cast(self) -> Cast:
        return self.world.cast

    def person(self, name: str, country: str, choice: ChoiceValue | None = None, **fields: str) -> Participant:
        return self.world.person(name, country=country, choice=choice, **fields)

    def send(self, people: list[Participant], **later: float) -> dict[str, Copy]:
        """The copies of a new mailing, by the name before the @."""
        return self.send_mailing(self.world.mailing(people), **later)

    def send_mailing(self, mailing: Mailing, **later: float) -> dict[str, Copy]:
        known = len(self.server.messages())
        self.world.send(mailing, **(later or {"minutes": 1}))
        fresh = self.server.messages()[known:]
        return {received.rcpt_to.partition("@")[0]: Copy(received.html) for received in fresh}

    def reasons(self, mailing: Mailing) -> dict[str, tuple[str, str]]:
        return {name: (row.opens_reason, row.clicks_reason) for name, row in self.world.rows(mailing).items()}

    def justify(
        self, *countries: str, keys: Sequence[str] = (RuleKey.INDIVIDUAL_OPENS, RuleKey.INDIVIDUAL_CLICKS), ends: date
    ) -> LegalJustification:
        bakery, now = self.cast.bakery, self.world.time
        with tenant(bakery.pk):
            proposed = propose_justification(
                bakery,
                self.world.website,
                countries=countries,
                rule_keys=keys,
                reason="counsel",
                ends_on=ends,
                author=self.cast.ana,
                now=now,
            )
            return confirm_justification(bakery, proposed, author=self.cast.dana, now=now, note="Seen")

    def withdraw(self, person: Participant) -> None:
        """A no to both, and what the worker does about it."""
        choose(self.cast.bakery, person, now=self.world.time, opens=NO, clicks=NO)
        for kind in ("opens", "clicks"):
            delete_hits_of_participant(self.cast.bakery.pk, person.pk, kind)

    def hits(self) -> int:
        with tenant(self.cast.bakery.pk):
            return Hit.objects.count()

    def totals(self) -> dict[tuple[int, int], int]:
        with tenant(self.cast.bakery.pk):
            return {(one.kind, one.link_number): one.hits for one in AnonymousTotal.objects.all()}

    def last_open_days(self) -> dict[int, date]:
        with tenant(self.cast.bakery.pk):
            return dict(LastOpenDay.objects.values_list("participant_id", "day"))


def begin(
    cast: Cast, server: SmtpServer, *, country: str, tracking: str, at: datetime | None = None, **fallbacks: str
) -> Flow:
    """A website whose notice tells of everything. It began an hour ago by the machine's clock, which the recorder
    goes by."""
    now = at or timezone.now() - timedelta(hours=1)
    bakery = cast.bakery
    website = make_website(bakery, cast.ana, now=now, country=country)
    with tenant(bakery.pk):
        publish_notice(
            bakery, website, language="en", text="All that we measure.", url="https://bread.example/privacy",
            author=cast.ana, now=now, covers=list(Measurement),
        )  # fmt: skip
    if fallbacks:
        loosen(bakery, website, now=now, **fallbacks)
    flow = Flow(World(cast, website, make_topic(bakery, website), now + timedelta(minutes=1)), server)
    if tracking == "always" and country != "CH":
        flow.justify(country, ends=timezone.localdate() + timedelta(days=300))
    set_tracking(bakery, website, tracking, now=flow.world.time)
    flow.world.time += timedelta(minutes=1)
    return flow
