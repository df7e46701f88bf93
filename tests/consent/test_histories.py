"""Random histories of settings, choices, moves and sends (rules.md: H1)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from consent.rules import (
    NEVER_ANSWERED,
    NO_PERMISSION,
    ChoiceValue,
    Grounds,
    Justified,
    Kind,
    Level,
    Mail,
    Measurement,
    Purpose,
    SentCopy,
    WebsiteState,
    choice_after_move,
    choice_since,
    decide,
    level_at_hit,
    permission_since,
    resolve_permission,
)
from websites.rules import EmailTracking, RuleKey

COUNTRIES = ["CH", "FR", ""]
# The looser state more often than not: only what was permitted can be lost.
A_COUNTRY = st.sampled_from(["CH", "CH", "CH", "FR", ""])
A_SETTING = st.sampled_from([EmailTracking.ALWAYS, EmailTracking.ALWAYS, EmailTracking.BY_CONSENT, EmailTracking.NEVER])
START = datetime(2026, 11, 1, tzinfo=UTC)
NOTICE = frozenset(Measurement)


def several[T](strategy: st.SearchStrategy[T]) -> st.SearchStrategy[list[T]]:
    """Changes on the heels of each other: there and back is where a lost moment shows."""
    return st.lists(strategy, min_size=1, max_size=3)


@dataclass
class Copy:
    """A sent copy, with what the words of the rules say: on which ground it could be measured at every moment since."""

    decided_at: datetime
    frozen: dict[Kind, Level]
    always_with_yes: dict[Kind, bool] = field(default_factory=dict)
    always_unless_no: dict[Kind, bool] = field(default_factory=dict)
    silent: set[Kind] = field(default_factory=set)


class Histories(RuleBasedStateMachine):
    """One website and one person. The software keeps moments; the words are checked anew after every step."""

    @initialize(tracking=A_SETTING, country=A_COUNTRY, person=A_COUNTRY)
    def begin(self, tracking: EmailTracking, country: str, person: str) -> None:
        self.now = START
        self.person = person
        self.permissions = {(code, kind): NO_PERMISSION for code in COUNTRIES for kind in Kind}
        self.choices = dict.fromkeys(Kind, NEVER_ANSWERED)
        self.copies: list[Copy] = []
        self.change_website(WebsiteState(tracking=tracking, country=country, notice_covers=NOTICE))

    @rule(settings_=several(A_SETTING))
    def set_tracking(self, settings_: list[EmailTracking]) -> None:
        for tracking in settings_:
            self.change_website(replace(self.website, tracking=tracking))

    @rule(has_notice=st.sampled_from([True, True, True, False]))
    def set_notice(self, has_notice: bool) -> None:
        self.change_website(replace(self.website, notice_covers=NOTICE if has_notice else frozenset()))

    @rule(countries=st.frozensets(st.sampled_from(COUNTRIES)))
    def justify(self, countries: frozenset[str]) -> None:
        one = Justified(
            rule_keys=frozenset({RuleKey.INDIVIDUAL_OPENS, RuleKey.INDIVIDUAL_CLICKS}),
            countries=countries,
            confirmed_at=self.now,
            ends_on=self.now.date() + timedelta(days=365),
        )
        self.change_website(replace(self.website, justifications=(one,)))

    @rule(country=A_COUNTRY)
    def declare_country(self, country: str) -> None:
        self.change_website(replace(self.website, declared_country=country))

    @rule(
        kinds=st.sampled_from([*([kind] for kind in Kind), list(Kind)]),
        values=several(st.sampled_from([ChoiceValue.YES, ChoiceValue.NO, ChoiceValue.UNKNOWN])),
    )
    def answer(self, kinds: list[Kind], values: list[ChoiceValue]) -> None:
        for value in values:
            self.tick()
            for kind in kinds:
                self.choices[kind] = choice_since(self.choices[kind], value, now=self.now)
            self.check_words()

    @rule(countries=several(A_COUNTRY))
    def move(self, countries: list[str]) -> None:
        for country in countries:
            if country == self.person:
                continue
            self.tick()
            self.person = country
            self.choices = {kind: choice_after_move(choice, now=self.now) for kind, choice in self.choices.items()}
            for copy in self.copies:
                copy.always_unless_no = dict.fromkeys(Kind, False)
            self.check_words()

    @rule()
    def send(self) -> None:
        self.tick()
        opens, clicks = (self.grounds(kind) for kind in Kind)
        decision = decide(opens, clicks, Mail(purpose=Purpose.MARKETING), now=self.now)
        copy = Copy(self.now, {Kind.OPENS: decision.opens, Kind.CLICKS: decision.clicks})
        for kind in Kind:
            with_yes, unless_no = self.permitted_in_words(kind)
            copy.always_with_yes[kind], copy.always_unless_no[kind] = with_yes, unless_no
            assert (copy.frozen[kind] is Level.INDIVIDUAL) is (with_yes or unless_no)
        self.copies.append(copy)

    @invariant()
    def a_hit_is_recorded_only_where_a_ground_held_from_the_decision_until_now(self) -> None:
        for copy in self.copies:
            for kind in Kind:
                permission = self.permissions[self.person, kind]
                sent = SentCopy(kind=kind, frozen=copy.frozen[kind], decided_at=copy.decided_at)
                level = level_at_hit(sent, permission, self.choices[kind], now=self.now)
                measured = level is Level.INDIVIDUAL
                assert measured is (copy.always_with_yes[kind] or copy.always_unless_no[kind])
                if not measured:
                    copy.silent.add(kind)
                assert not (measured and kind in copy.silent), "loosening brought a sent copy back"

    def tick(self) -> None:
        self.now += timedelta(minutes=1)

    def change_website(self, website: WebsiteState) -> None:
        self.tick()
        self.website = website
        for (country, kind), previous in self.permissions.items():
            found = resolve_permission(website, participant_country=country, kind=kind, on=self.now.date())
            self.permissions[country, kind] = permission_since(previous, found.permits, now=self.now)
        self.check_words()

    def grounds(self, kind: Kind) -> Grounds:
        found = resolve_permission(self.website, participant_country=self.person, kind=kind, on=self.now.date())
        return Grounds(found.basis, self.permissions[self.person, kind], self.choices[kind])

    def check_words(self) -> None:
        for copy in self.copies:
            for kind in Kind:
                with_yes, unless_no = self.permitted_in_words(kind)
                copy.always_with_yes[kind] &= with_yes
                copy.always_unless_no[kind] &= unless_no

    def permitted_in_words(self, kind: Kind) -> tuple[bool, bool]:
        """Whether the website and the person permit it at this moment: because of a yes, and for want of a no."""
        site, value = self.website, self.choices[kind].value
        measures = bool(site.notice_covers) and site.tracking != "never"
        justified = {country for one in site.justifications for country in one.countries}
        asking = {site.country, self.person or site.declared_country} - {"CH"} - (justified - {""})
        return measures and value == "yes", measures and site.tracking == "always" and not asking and value != "no"


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
