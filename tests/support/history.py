"""One random history, and beside the tables what the rules say of it in words.

The words are looked up anew after every step: on which grounds each copy has been measurable at every moment since it
was decided. A hit may leave only what one of them covers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
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
    Justified,
    Kind,
    Level,
    Measurement,
    Source,
    WebsiteState,
)
from consent.services import (
    WebsitePolicy,
    apply_move,
    change_website_policy,
    confirm_justification,
    propose_justification,
    publish_notice,
    record_choice,
    record_informed,
    stop_measuring,
    withdraw_justification,
)
from delivery.models import Mailing, MailingState, Message
from delivery.outbox import Claimed, claim_messages
from delivery.rendering import CompiledEmail, EmailSource, FooterLabels, compile_email
from delivery.services import create_mailing, freeze_content
from participants.models import Participant
from tests.support.hits import batch_of, store
from tests.support.words import in_words
from tests.support.world import (
    loosen,
    make_participant,
    make_topic,
    make_website,
    set_tracking,
    subscribe_to,
    two_people,
)
from tracking.models import AnonymousTotal, Hit, LastOpenDay
from tracking.recorder import CLICK, OPEN
from tracking.services import change_participant_country
from websites.models import Website
from websites.rules import EmailTracking, RuleKey

KIND_NUMBERS = {Kind.OPENS: OPEN, Kind.CLICKS: CLICK}
MACHINE = 2
EVERYTHING = frozenset(one.value for one in Measurement)
# In time for France and for Italy, and too late for both.
IN_TIME, TOO_LATE = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC)
ENDS = date(2090, 1, 1)
type Step = tuple[Any, ...]

HTML = '<html><body><a href="https://bread.example/rye">Rye</a></body></html>'


@dataclass
class Person:
    """Somebody as the words know them."""

    row: Participant
    country: str
    said: dict[Kind, ChoiceValue] = field(default_factory=lambda: dict.fromkeys(Kind, ChoiceValue.UNKNOWN))
    informed: tuple[InformedGround, bool] | None = None
    objects: bool = False


@dataclass
class Sent:
    """A copy, and on which grounds it could be measured at every moment since it was decided."""

    claimed: Claimed
    person: Person
    launch: Launch
    held: dict[Kind, set[str]]


@dataclass
class Launch:
    """What is sent together, and which of its countries could be counted at every moment since its first copy."""

    mailing: Mailing
    purpose: str
    looked_until: int = 0
    counted: dict[Kind, set[str]] = field(default_factory=lambda: {kind: set() for kind in Kind})
    sharing: dict[Kind, set[str]] = field(default_factory=lambda: {kind: set() for kind in Kind})
    begun: bool = False


@dataclass
class Tally:
    """What many histories added up to."""

    histories: int = 0
    steps: int = 0
    hits: int = 0
    recorded: int = 0
    forbidden: list[str] = field(default_factory=list)


class History:
    """One website and two people from beginning to end."""

    def __init__(
        self, organization: Organization, tally: Tally, country: str, people: Iterable[str], first: Iterable[Step]
    ) -> None:
        self.organization, self.tally = organization, tally
        with tenant(organization.pk):
            self.owner, self.second = two_people(organization)
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

    # --- What the website does

    def _set_tracking(self, tracking: str) -> None:
        if tracking == "always" and self.state.country != "CH":
            return  # takes a justification, which other histories have
        set_tracking(self.organization, self.website, tracking, now=self.now)
        self.state = replace(self.state, tracking=EmailTracking(tracking))

    def _set_fallbacks(self, opens: str, clicks: str) -> None:
        wanted = {"opens_fallback": opens, "clicks_fallback": clicks}
        for name, value in wanted.items():
            if getattr(self.state, name) == value:
                continue
            if value == "none":
                self._tighten(**{name: value})
            else:
                loosen(self.organization, self.website, now=self.now, **{name: value})
            self.state = replace(self.state, **{name: value})

    def _set_professionals(self, value: bool) -> None:
        if self.state.for_professionals == value:
            return
        if value:
            loosen(self.organization, self.website, now=self.now, for_professionals=True)
        else:
            self._tighten(for_professionals=False)
        self.state = replace(self.state, for_professionals=value)

    def _tighten(self, **fields: Any) -> None:
        with tenant(self.organization.pk):
            website = Website.objects.get(pk=self.website.pk)
            policy = WebsitePolicy(
                country=str(website.country),
                declared_country=str(website.declared_country),
                tracking=website.email_tracking,
                **fields,
            )
            change_website_policy(
                self.organization, website, policy=policy, author=self.owner, reason="test", now=self.now
            )

    def _tell(self, covers: frozenset[str]) -> None:
        with tenant(self.organization.pk):
            publish_notice(
                self.organization, self.website, language="en", text="What we measure", url="https://x.example/",
                author=self.owner, now=self.now, covers=sorted(covers),
            )  # fmt: skip
        self.state = replace(self.state, notice_covers=covers)

    def _stop(self) -> None:
        if not self.state.stopped:
            with tenant(self.organization.pk):
                stop_measuring(self.organization, self.website, author=self.owner, reason="test", now=self.now)
            self.state = replace(self.state, stopped=True)

    def _undo_stop(self) -> None:
        if self.state.stopped:
            loosen(self.organization, self.website, now=self.now)
            self.state = replace(self.state, stopped=False)

    def _justify(self, countries: tuple[str, ...]) -> None:
        with tenant(self.organization.pk):
            proposed = propose_justification(
                self.organization, self.website, countries=countries, rule_keys=list(RuleKey), reason="test",
                ends_on=ENDS, author=self.owner, now=self.now,
            )  # fmt: skip
            confirmed = confirm_justification(
                self.organization, proposed, author=self.second, now=self.now, note="test"
            )
        self.justifications.append(confirmed)
        one = Justified(
            rule_keys=frozenset(RuleKey), countries=frozenset(countries), confirmed_at=self.now, ends_on=ENDS
        )
        self.state = replace(self.state, justifications=(*self.state.justifications, one))

    def _withdraw_justifications(self) -> None:
        with tenant(self.organization.pk):
            for one in self.justifications:
                withdraw_justification(self.organization, one, author=self.owner, now=self.now)
        self.justifications.clear()
        self.state = replace(self.state, justifications=())

    # --- What people do

    def _answer(self, who: int, kinds: tuple[Kind, ...], value: ChoiceValue) -> None:
        person = self.people[who]
        with tenant(self.organization.pk):
            record_choice(
                self.organization, person.row, source=Source.PERSON, method="test", happened_at=self.now,
                now=self.now, wording="May we?", opens=value if Kind.OPENS in kinds else None,
                clicks=value if Kind.CLICKS in kinds else None,
            )  # fmt: skip
        for kind in kinds:
            if value != ChoiceValue.UNKNOWN:
                person.said[kind] = value

    def _inform(self, who: int, ground: InformedGround, in_time: bool) -> None:
        person = self.people[who]
        at = IN_TIME if in_time else TOO_LATE
        with tenant(self.organization.pk):
            record_informed(
                self.organization, person.row, ground=ground, collected_at=at, informed_at=at, notice=None,
                source=Source.IMPORT, method="test", now=self.now, evidence={"file": "test"}, actor=self.owner,
            )  # fmt: skip
        if person.informed != (ground, in_time):
            # Other dates may count where the old ones did not, so they count from now on.
            for sent in self._copies_of(person):
                for kind in Kind:
                    sent.held[kind] -= {"if_informed", "professionals"}
        if any(value in (ChoiceValue.UNKNOWN, ChoiceValue.INFORMED) for value in person.said.values()):
            person.informed = (ground, in_time)
            for kind in Kind:
                if person.said[kind] == ChoiceValue.UNKNOWN:
                    person.said[kind] = ChoiceValue.INFORMED

    def _object(self, who: int, objects: bool) -> None:
        person = self.people[who]
        with tenant(self.organization.pk):
            record_choice(
                self.organization, person.row, source=Source.PERSON, method="test", happened_at=self.now,
                now=self.now, wording="Totals?", opens=None, clicks=None,
                anonymous=ChoiceValue.NO if objects else ChoiceValue.YES,
            )  # fmt: skip
        person.objects = objects

    def _move(self, who: int, country: str) -> None:
        person = self.people[who]
        if person.country == country:
            return
        with tenant(self.organization.pk):
            Participant.objects.filter(pk=person.row.pk).update(country=country)
            change_participant_country(self.organization, person.row.pk, country, now=self.now)
            apply_move(self.organization, [person.row.pk], now=self.now)
        person.country = country
        for sent in self._copies_of(person):
            for kind in Kind:
                sent.held[kind] &= {"with_yes"}

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
                if sent.person.objects or not self._counts(sent.person.country, kind):
                    self._forbid(f"decided to count on no ground: {kind} of {sent}")
                if not sent.launch.begun and not sent.launch.sharing[kind]:
                    sent.launch.counted[kind] = {one for one in (*COUNTRIES,) if self._counts(one, kind)}
                sent.launch.sharing[kind].add(code)

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

    def _grounds(self, sent: Sent, kind: Kind) -> set[str]:
        """On which grounds this copy may be measured at this moment."""
        person, said = sent.person, sent.person.said[kind]
        _basis, permits = in_words(self.state, person.country, kind, on=self.now.date())
        if said == ChoiceValue.NO:
            return set()
        exempt = sent.claimed.decided.decision.exempt
        last_open_day = {"last_open_day"} if sent.launch.purpose == "marketing" else set()
        if exempt is not None:
            return permits & {exempt.value, *last_open_day}
        grounds = {"unless_no", *last_open_day}
        if said == ChoiceValue.YES:
            grounds.add("with_yes")
        if person.informed is not None:
            ground, in_time = person.informed
            if ground == InformedGround.PROFESSIONAL:
                grounds.add("professionals")
            elif in_time or not self._has_dates(person.country):
                grounds.add("if_informed")
        return permits & grounds

    def _has_dates(self, country: str) -> bool:
        """Whether the rules of one of the two countries name dates, and no justification lifts them."""
        lifted = {code for one in self.state.justifications for code in one.countries}
        return bool({self.state.country, country} & {"FR", "IT"} - lifted)

    def _counts(self, country: str, kind: Kind) -> bool:
        return "anonymous" in in_words(self.state, "" if country == "ZZ" else country, kind, on=self.now.date())[1]


COUNTRIES = ("CH", "FR", "IT", "ZZ")


@cache
def compiled_email() -> CompiledEmail:
    labels = FooterLabels(unsubscribe="Unsubscribe", preferences="Your choice")
    return compile_email(EmailSource(subject="News", body=HTML, body_format="html", labels=labels, marketing=False))
