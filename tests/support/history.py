"""One random history, and beside the tables what the rules say of it in words.

The words are looked up anew after every step: on which grounds each copy has been measurable at every moment since it
was decided. A hit may leave only what one of them covers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from uuid import uuid4

from django.utils import timezone

from accounts.models import Organization
from common.tenancy import tenant
from consent.models import LegalJustification
from consent.rules import (
    ChoiceValue,
    InformedGround,
    Kind,
    Level,
    Source,
    WebsiteState,
)
from consent.services import (
    record_choice,
    record_informed,
)
from delivery.models import Mailing, MailingState, Message
from delivery.outbox import claim_messages
from delivery.rendering import CompiledEmail, EmailSource, FooterLabels, compile_email
from delivery.services import create_mailing, freeze_content
from intake.services import save_participant
from tests.support.history_website import EVERYTHING, WebsiteSteps, other_scope
from tests.support.history_words import COUNTRIES, Answers, Launch, Person, Sent, Tally, counts, grounds_of
from tests.support.hits import batch_of, store
from tests.support.world import (
    make_participant,
    make_topic,
    make_website,
    subscribe_to,
    two_people,
)
from tracking.models import AnonymousTotal, Hit, LastOpenDay
from tracking.recorder import CLICK, OPEN
from tracking.services import silence_exempt
from websites.models import Website
from websites.rules import EmailTracking
from websites.services import ensure_default_scope

KIND_NUMBERS = {Kind.OPENS: OPEN, Kind.CLICKS: CLICK}
MACHINE = 2
# In time for France and for Italy, and too late for both.
IN_TIME, TOO_LATE = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC)
type Step = tuple[Any, ...]

HTML = '<html><body><a href="https://bread.example/rye">Rye</a></body></html>'


class History(WebsiteSteps):
    """One website and two people from beginning to end."""

    def __init__(
        self, organization: Organization, tally: Tally, country: str, people: Iterable[str], first: Iterable[Step]
    ) -> None:
        self.organization, self.tally = organization, tally
        with tenant(organization.pk):
            self.owner, self.second = two_people(organization)
            self.scopes = [ensure_default_scope(organization, now=timezone.now()), other_scope(organization)]
        self.scope = 0
        self.now = timezone.now() - timedelta(days=2)
        self.website = make_website(
            organization, self.owner, now=self.now, name=uuid4().hex, country=country, notice=False
        )
        self.state = WebsiteState(tracking=EmailTracking.NEVER, country=country, notice_covers=frozenset())
        self.topic = make_topic(organization, self.website, name=uuid4().hex)
        self.people = [self._person(code) for code in people]
        self.justifications: list[LegalJustification] = []
        self.launches: list[Launch] = []
        self.sent: list[Sent] = []
        for step in (("tell", EVERYTHING), ("set_tracking", "by_consent"), ("set_tracking", "always"), *first):
            self.do(step)

    def _person(self, country: str) -> Person:
        email = f"{uuid4().hex}@histories.example"
        row = make_participant(self.organization, email, now=self.now, country=country)
        subscribe_to(self.organization, row, self.topic, now=self.now)
        return Person(row, country)

    def run(self, rounds: Iterable[Iterable[Step]]) -> None:
        """Rounds of changes; a launch before each, and a hit of everything after it."""
        for steps in rounds:
            for step in (("launch", "marketing"), ("send", 2), *steps):
                self.do(step)
            for number, kind in [(number, kind) for number in range(len(self.sent)) for kind in Kind]:
                self.do(("hit", number, kind, 1))
        self.tally.histories += 1

    def do(self, step: Step) -> None:
        """One step, a minute later; then the words are looked up anew."""
        name, *arguments = step
        self.now += timedelta(minutes=1)
        self.tally.steps += 1
        act: Callable[..., None] = getattr(self, f"_{name}")
        with tenant(self.organization.pk):
            self.website = Website.objects.get(pk=self.website.pk)
        act(*arguments)
        self._look_up_words()

    # --- What people do

    def _answer(self, who: int, kinds: tuple[Kind, ...], value: ChoiceValue, where: str = "here") -> None:
        person = self.people[who]
        place = self._place(where)
        with tenant(self.organization.pk):
            record_choice(
                self.organization, person.row, source=Source.PERSON, method="test", happened_at=self.now,
                now=self.now, wording="May we?", opens=value if Kind.OPENS in kinds else None,
                clicks=value if Kind.CLICKS in kinds else None, scope=self.scopes[place],
                everywhere=where == "everywhere",
            )  # fmt: skip
        everywhere = where == "everywhere" and value == ChoiceValue.NO
        for answers in person.answers if everywhere else [person.answers[place]]:
            for kind in kinds:
                if value != ChoiceValue.UNKNOWN:
                    answers.said[kind] = value

    def _place(self, where: str) -> int:
        """The website's scope, unless somebody answers elsewhere."""
        return 1 - self.scope if where == "elsewhere" else self.scope

    def _inform(self, who: int, ground: InformedGround, in_time: bool) -> None:
        person = self.people[who]
        at = IN_TIME if in_time else TOO_LATE
        with tenant(self.organization.pk):
            record_informed(
                self.organization, person.row, ground=ground, collected_at=at, informed_at=at, notice=None,
                source=Source.IMPORT, method="test", now=self.now, evidence={"file": "test"}, actor=self.owner,
                scope=self.scopes[self.scope],
            )  # fmt: skip
        answers = person.answers[self.scope]
        if answers.informed != (ground, in_time):
            # Other dates may count where the old ones did not, so they count from now on.
            for sent in self._copies_of(person):
                for kind in Kind:
                    sent.held[kind] -= {"if_informed", "professionals"}
        answers.inform(ground, in_time)

    def _object(self, who: int, objects: bool, where: str = "here") -> None:
        person = self.people[who]
        place = self._place(where)
        with tenant(self.organization.pk):
            record_choice(
                self.organization, person.row, source=Source.PERSON, method="test", happened_at=self.now,
                now=self.now, wording="Totals?", opens=None, clicks=None, scope=self.scopes[place],
                anonymous=ChoiceValue.NO if objects else ChoiceValue.YES, everywhere=where == "everywhere",
            )  # fmt: skip
        for answers in person.answers if objects and where == "everywhere" else [person.answers[place]]:
            answers.objects = objects

    def _move(self, who: int, country: str) -> None:
        person = self.people[who]
        if person.country == country:
            return
        with tenant(self.organization.pk):
            save_participant(self.organization, person.row, country=country, now=self.now)
        person.country = country
        self._begin_anew(self._copies_of(person), kept={"with_yes"})

    def _copies_of(self, person: Person) -> list[Sent]:
        return [sent for sent in self.sent if sent.person is person]

    # --- Sending

    def _launch(self, purpose: str) -> None:
        with tenant(self.organization.pk):
            snapshot = freeze_content(
                self.organization, self.website, compiled=compiled_email(), purpose=purpose, now=self.now
            )
            mailing = create_mailing(
                self.organization,
                snapshot,
                topic=self.topic if purpose == "marketing" else None,
                purpose=purpose,
                not_before=self.now,
                now=self.now,
            )
            Message.objects.bulk_create(
                [Message(organization=self.organization, mailing=mailing, participant=one.row) for one in self.people]
            )
            Mailing.objects.filter(pk=mailing.pk).update(
                expanded_at=self.now, state=MailingState.SENDING, exempt_approved=True
            )
            fresh = Mailing.objects.select_related("organization", "website", "snapshot__tracked_content")
            self.launches.append(Launch(fresh.get(pk=mailing.pk), purpose))

    def _send(self, most: int) -> None:
        """The next messages of the latest launch that has any; the rest may go after other changes."""
        for launch in reversed(self.launches):
            claim = claim_messages(launch.mailing, after=launch.looked_until, limit=most, now=self.now)
            if claim.latest_id is None:
                continue
            launch.looked_until = claim.latest_id
            people = {person.row.pk: person for person in self.people}
            for claimed in claim.messages:
                person = people[claimed.person.id]
                sent = Sent(claimed, person, launch, {})
                sent.held = {kind: self._grounds(sent, kind) for kind in Kind}
                self.sent.append(sent)
                self._check_frozen(sent)
            launch.begun = True
            return

    def _check_frozen(self, sent: Sent) -> None:
        decision = sent.claimed.decided.decision
        for kind, level in ((Kind.OPENS, decision.opens), (Kind.CLICKS, decision.clicks)):
            grounds = sent.held[kind]
            code = sent.person.country or "ZZ"
            if level == Level.INDIVIDUAL and not grounds - {"last_open_day"}:
                self._forbid(f"decided as individual on no ground: {kind} of {sent}")
            if level == Level.LAST_OPEN_DAY and "last_open_day" not in grounds:
                self._forbid(f"decided to keep a last open day on no ground: {sent}")
            if level == Level.ANONYMOUS:
                if self._answers(sent.person).objects or not self._counts(sent.person.country, kind):
                    self._forbid(f"decided to count on no ground: {kind} of {sent}")
                if not sent.launch.begun and not sent.launch.sharing[kind]:
                    sent.launch.counted[kind] = {one for one in COUNTRIES if self._counts(one, kind)}
                sent.launch.sharing[kind].add(code)

    def _end_exempt(self) -> None:
        """The approvals of exempt purposes are taken back: copies that are measured for one leave nothing any more."""
        exempt = [launch for launch in self.launches if launch.purpose != "marketing"]
        with tenant(self.organization.pk):
            silence_exempt(self.organization, [one.mailing.snapshot.tracked_content_id for one in exempt])
            Mailing.objects.filter(pk__in=[one.mailing.pk for one in exempt]).update(exempt_approved=False)
        for sent in self.sent:
            if sent.claimed.decided.decision.exempt is not None:
                sent.held = {kind: set() for kind in Kind}

    # --- Hits

    def _hit(self, number: int, kind: Kind, actor: int) -> None:
        if number >= len(self.sent):
            return
        sent = self.sent[number]
        decision = sent.claimed.decided.decision
        level = decision.opens if kind == Kind.OPENS else decision.clicks
        key = sent.claimed.shared_key if level == Level.ANONYMOUS else sent.claimed.tracking_key
        if key is None:
            return
        before = self._recorded(sent)
        link_number = 0 if kind == Kind.OPENS else 1
        store(batch_of(key.hex, kind=KIND_NUMBERS[kind], link_number=link_number, actor=actor))
        after = self._recorded(sent)
        self.tally.hits += 1
        allowed = self._allowed(sent, kind, level, actor)
        found = {name for name in after if after[name] != before[name]}
        self.tally.recorded += bool(found)
        if not found <= allowed or len(found) > 1:
            self._forbid(f"{found} recorded of {kind} where {allowed} was allowed: {sent}")

    def _recorded(self, sent: Sent) -> dict[str, Any]:
        content = sent.launch.mailing.snapshot.tracked_content_id
        with tenant(self.organization.pk):
            days = LastOpenDay.objects.filter(participant=sent.person.row)
            days.update(day=date(2000, 1, 1))
            return {
                "individual": Hit.objects.filter(content=content).count(),
                "last_open_day": list(days.values_list("day", flat=True)),
                "anonymous": list(AnonymousTotal.objects.filter(content=content).order_by("pk").values_list()),
            }

    def _allowed(self, sent: Sent, kind: Kind, level: Level, actor: int) -> set[str]:
        """By the words alone."""
        grounds = sent.held[kind]
        if level == Level.ANONYMOUS:
            return {"anonymous"} if sent.launch.sharing[kind] <= sent.launch.counted[kind] else set()
        if level == Level.INDIVIDUAL and grounds - {"last_open_day"}:
            return {"individual"}
        if level in (Level.INDIVIDUAL, Level.LAST_OPEN_DAY) and "last_open_day" in grounds and actor != MACHINE:
            return {"last_open_day"}
        return set()

    def _forbid(self, what: str) -> None:
        self.tally.forbidden.append(what)
        raise AssertionError(what)

    # --- The words

    def _look_up_words(self) -> None:
        for sent in self.sent:
            for kind in Kind:
                sent.held[kind] &= self._grounds(sent, kind)
        for launch in self.launches:
            for kind in Kind:
                launch.counted[kind] = {
                    code for code in launch.counted[kind] if self._counts("" if code == "ZZ" else code, kind)
                }

    def _answers(self, person: Person) -> Answers:
        """Those that count for the website."""
        return person.answers[self.scope]

    def _grounds(self, sent: Sent, kind: Kind) -> set[str]:
        """On which grounds this copy may be measured at this moment."""
        return grounds_of(self.state, sent, self._answers(sent.person), kind, on=self.now.date())

    def _counts(self, country: str, kind: Kind) -> bool:
        return counts(self.state, country, kind, on=self.now.date())


@cache
def compiled_email() -> CompiledEmail:
    labels = FooterLabels(unsubscribe="Unsubscribe", preferences="Your choice")
    return compile_email(EmailSource(subject="News", body=HTML, body_format="html", labels=labels, marketing=False))
