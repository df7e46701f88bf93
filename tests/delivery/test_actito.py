"""Actito as the outside sender, against a server that checks requests by delivery/actito.toml."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from common.tenancy import tenant
from consent.rules import ChoiceValue
from consent.services import unsubscribe
from delivery.models import SuppressionReason
from delivery.outcomes import SENDING_LEASE
from delivery.services import suppress
from delivery.transports import actito as facts
from delivery.transports.actito import _tokens
from tests.delivery.outside_world import Outside, make_sender
from tests.delivery.world import World
from tests.support.outside import ActitoEndpoint, Mood, OutsideServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint() -> ActitoEndpoint:
    return ActitoEndpoint()


@pytest.fixture
def outside(world: World, settings, endpoint: ActitoEndpoint) -> Iterator[Outside]:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    settings.BASE_URL = "https://pli.example"
    _tokens.clear()
    with OutsideServer(endpoint) as server:
        yield Outside(world, server, make_sender(world, server))


def change(outside: Outside, **options: object) -> None:
    with tenant(outside.organization.pk):
        row = outside.fresh()
        row.options = {**row.options, **options}
        row.save()
    outside.sender = row


def paths(outside: Outside) -> list[str]:
    return [
        f"{request.method} {request.path.partition('?')[0].rpartition('/')[2]}" for request in outside.server.requests
    ]


def test_the_profile_is_written_with_its_tracking_consent_before_the_email_is_asked_for(
    outside: Outside, endpoint: ActitoEndpoint
) -> None:
    mailing = outside.mailing(outside.person("yes", ChoiceValue.YES), outside.person("silent", locale="fr-BE"))
    outside.hand_over(mailing)
    assert outside.world.statuses(mailing) == {"yes": "sent", "silent": "sent"}
    assert outside.server.problems == []
    assert endpoint.profiles["yes@example.org"]["trackingConsent"] == "TRUE"
    assert endpoint.profiles["silent@example.org"] == {
        "emailAddress": "silent@example.org",
        "firstName": "Silent",
        "motherLanguage": "FR",
        "trackingConsent": "FALSE",
    }
    mails = [body for kind, body in outside.server.taken if kind == "mail"]
    consents = sorted(
        {row["name"]: row["value"] for row in body["profile"]["attributes"]}["trackingConsent"] for body in mails
    )
    assert consents == ["FALSE", "TRUE"]
    parameters = {row["key"]: row["values"] for row in mails[0]["parameters"]}
    assert set(parameters) == {"pliReference", "preferences"}
    assert parameters["preferences"][0].startswith("https://pli.example/p/")


def test_one_token_serves_many_calls_and_a_stale_one_is_replaced(outside: Outside, endpoint: ActitoEndpoint) -> None:
    outside.hand_over(outside.mailing(outside.person("a")))
    outside.hand_over(outside.mailing(outside.person("b")))
    assert len(endpoint.tokens) == 1
    endpoint.tokens.append("another one, as after a quarter of an hour")
    third = outside.mailing(outside.person("c"))
    outside.hand_over(third)
    assert outside.message(third, "c").status == "sent"
    assert len(endpoint.tokens) == 3


def test_withdrawals_and_unsubscribing_reach_the_profile(outside: Outside, endpoint: ActitoEndpoint) -> None:
    change(outside, marketing_attribute="marketingConsent", subscriptions={outside.world.topic.name: "Newsletter"})
    person = outside.person("a", ChoiceValue.YES)
    outside.hand_over(outside.mailing(person))
    endpoint.subscriptions.add(("1", "Newsletter"))
    outside.choose(person, ChoiceValue.NO)
    outside.tell()
    assert endpoint.profiles["a@example.org"]["trackingConsent"] == "FALSE"
    assert ("1", "Newsletter") in endpoint.subscriptions
    with tenant(outside.organization.pk):
        unsubscribe(outside.organization, person, outside.world.topic, now=outside.world.time)
    outside.tell()
    assert endpoint.subscriptions == set()
    suppress(
        outside.organization,
        "a@example.org",
        reason=SuppressionReason.COMPLAINED,
        source="",
        now=outside.world.time,
    )
    outside.tell()
    assert endpoint.profiles["a@example.org"]["marketingConsent"] == "FALSE"
    assert not any("example.org" in request.path for request in outside.server.requests)
    assert outside.server.problems == []


def test_a_subscription_that_actito_does_not_know_is_shown_and_stops_nobody_else(outside: Outside) -> None:
    change(outside, subscriptions={outside.world.topic.name: "Newsletter"})
    person = outside.person("a", ChoiceValue.YES)
    outside.hand_over(outside.mailing(person))
    with tenant(outside.organization.pk):
        unsubscribe(outside.organization, person, outside.world.topic, now=outside.world.time)
    outside.tell()
    assert outside.row("a").failed_at is not None
    assert "no such subscription" in outside.row("a").words
    assert outside.fresh().broken_since is None


def test_an_email_of_which_no_answer_came_is_not_asked_for_twice(outside: Outside) -> None:
    """Actito says nothing of calls that are repeated."""
    mailing = outside.mailing(outside.person("a"))
    outside.server.behave(Mood.DROP, times=1, only="transactionalmail")
    outside.hand_over(mailing)
    assert outside.message(mailing, "a").status == "unknown"
    outside.hand_over(mailing, seconds=SENDING_LEASE.total_seconds() * 2)
    assert [kind for kind, _body in outside.server.taken].count("mail") == 1


def test_a_profile_that_could_not_be_written_is_written_again_and_no_email_asked_for(outside: Outside) -> None:
    mailing = outside.mailing(outside.person("a"))
    outside.server.behave(Mood.FAIL, times=1, only="/profile")
    outside.hand_over(mailing)
    assert outside.message(mailing, "a").status == "queued"
    assert "POST contact" not in paths(outside)
    outside.hand_over(mailing, minutes=10)
    assert outside.message(mailing, "a").status == "sent"
    assert [kind for kind, _body in outside.server.taken] == ["profile", "mail"]


def test_without_an_email_only_the_profile_is_written(outside: Outside) -> None:
    change(outside, campaign="")
    mailing = outside.mailing(outside.person("a"))
    outside.hand_over(mailing)
    assert outside.message(mailing, "a").status == "sent"
    assert [kind for kind, _body in outside.server.taken] == ["profile"]


def test_a_wrong_key_pauses_the_mailing_and_is_not_repeated_in_its_words(outside: Outside) -> None:
    mailing = outside.mailing(outside.person("a"))
    outside.server.behave(Mood.UNAUTHORIZED)
    outside.hand_over(mailing)
    reason = outside.world.state(mailing).pause_reason
    assert "who are you?" in reason
    assert "the-api-key" not in reason


def test_what_is_known_of_the_api_says_where_it_stands_and_how_surely() -> None:
    for name, entry in facts().items():
        assert entry["source"].startswith("http"), name
        assert entry["sureness"] in ("documented", "seen in use", "our reading"), name
        assert isinstance(entry["checked"], date), name
    assert facts()["tracking"]["attribute"] == "trackingConsent"
