"""What is done to the website of a random history, through the services that its pages call, and in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from django.utils import timezone

from accounts.models import Organization, User
from common.tenancy import tenant
from consent.models import LegalJustification
from consent.rules import Justified, Kind, Measurement, WebsiteState
from consent.services import (
    PolicyRefused,
    WebsitePolicy,
    change_website_policy,
    confirm_justification,
    confirm_proposal,
    propose_justification,
    publish_notice,
    stop_measuring,
    withdraw_justification,
)
from tests.support.history_words import COUNTRIES, Launch, Person, Sent
from tests.support.world import loosen
from websites.models import ConsentScope, Website
from websites.rules import EmailTracking, RuleKey, is_french

EVERYTHING = frozenset(one.value for one in Measurement)
ENDS = date(2090, 1, 1)


class WebsiteSteps:
    """The settings of one website, and what becomes of the copies that were sent before."""

    organization: Organization
    owner: User
    second: User
    now: datetime
    website: Website
    state: WebsiteState
    scopes: list[ConsentScope]
    # The number of the website's.
    scope: int
    people: list[Person]
    justifications: list[LegalJustification]
    launches: list[Launch]
    sent: list[Sent]

    def _set_tracking(self, tracking: str) -> None:
        if self._change(tracking=EmailTracking(tracking)):
            self.state = replace(self.state, tracking=EmailTracking(tracking))

    def _set_fallbacks(self, opens: str, clicks: str) -> None:
        self._change(opens_fallback=opens, clicks_fallback=clicks)
        self.state = replace(self.state, opens_fallback=opens, clicks_fallback=clicks)

    def _set_professionals(self, value: bool) -> None:
        self._change(for_professionals=value)
        self.state = replace(self.state, for_professionals=value)

    def _set_country(self, country: str) -> None:
        before = self.state.country
        if country == before or not self._change(country=country):
            return
        self.state = replace(self.state, country=country)
        if is_french(country) and not is_french(before):
            self.state = replace(self.state, tracking=EmailTracking.NEVER)
        # Only a yes does not rest on the rules of a country; all else begins anew with the next.
        self._begin_anew(self.sent, kept={"with_yes"})
        for launch in self.launches:
            launch.lose(COUNTRIES)

    def _declare_country(self, country: str) -> None:
        if country == self.state.declared_country:
            return
        assert self._change(declared_country=country)
        self.state = replace(self.state, declared_country=country)
        self._begin_anew((sent for sent in self.sent if not sent.person.country), kept={"with_yes"})
        for launch in self.launches:
            launch.lose({"ZZ"})

    def _set_scope(self, number: int) -> None:
        if number == self.scope:
            return
        assert self._change(consent_scope=self.scopes[number])
        for person in self.people:
            person.answers[number].take_along(person.answers[self.scope])
        self.scope = number
        # Other answers count from here on, so nothing that was sent before does.
        self._begin_anew(self.sent, kept=set())
        for launch in self.launches:
            launch.lose(COUNTRIES)

    def _begin_anew(self, copies: Iterable[Sent], *, kept: set[str]) -> None:
        for sent in copies:
            for kind in Kind:
                sent.held[kind] &= kept

    def _change(self, **fields: Any) -> bool:
        """As the form of the website: at once what tightens, by two people what loosens. False: it was refused."""
        known: dict[str, Any] = {
            "country": self.state.country,
            "declared_country": self.state.declared_country,
            "tracking": self.state.tracking,
        }
        with tenant(self.organization.pk):
            try:
                outcome = change_website_policy(
                    self.organization, self.website, policy=WebsitePolicy(**known | fields), author=self.owner,
                    reason="test", now=self.now,
                )  # fmt: skip
            except PolicyRefused:
                return False
            for proposal in outcome.proposed:
                confirm_proposal(self.organization, proposal, author=self.second, now=self.now, note="test")
        return True

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


def other_scope(organization: Organization) -> ConsentScope:
    """Beside the default one, in which all histories of an organization are."""
    scope, _created = ConsentScope.objects.get_or_create(
        organization=organization, name="Another brand", defaults={"created_at": timezone.now()}
    )
    return scope
