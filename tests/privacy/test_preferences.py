"""/p/<key>: two clicks, no login; opens and clicks apart; what a yes covers, and a no everywhere."""

from __future__ import annotations

from datetime import datetime
from html import unescape

import pytest
from django.conf import LazySettings
from django.test import Client

from common.keys import encode_key, new_key
from common.ratelimit import Limit
from common.tenancy import tenant
from consent.models import ChoiceEvent
from tests.privacy.pages import Home
from tests.support.cast import Cast
from tests.support.world import make_website
from websites.models import ConsentScope, Website

pytestmark = pytest.mark.django_db


def choice_values(home: Home, scope: ConsentScope | None = None) -> tuple[str, str] | None:
    choice = home.choice(scope)
    return (choice.opens, choice.clicks) if choice else None


def brand(home: Home, cast: Cast, now: datetime) -> ConsentScope:
    """A second consent scope with a website of its own."""
    website = make_website(cast.bakery, cast.ana, now=now, name="Cakes")
    with tenant(cast.bakery.pk):
        scope = ConsentScope.objects.create(organization=cast.bakery, name="Cakes")
        Website.objects.filter(pk=website.pk).update(consent_scope=scope)
    return scope


def test_h3_the_address_is_masked(client: Client, home: Home) -> None:
    page = client.get(home.preferences).content.decode()
    assert "zoe@home.example" not in page
    assert "z…@h….example" in page


def test_c9_one_button_refuses_both_at_once(client: Client, home: Home) -> None:
    response = client.post(home.preferences, {"do": "choices", "both": "no"})
    assert response.status_code == 200
    assert choice_values(home) == ("no", "no")


def test_c2_yes_and_no_are_one_click_each_and_nothing_is_ticked(client: Client, home: Home) -> None:
    page = client.get(home.preferences).content.decode()
    assert page.count('name="both"') == 2
    assert " checked" not in page
    client.post(home.preferences, {"do": "choices", "both": "yes"})
    assert choice_values(home) == ("yes", "yes")
    assert client.get(home.preferences).content.decode().count(" checked") == 2


def test_s3_opens_and_clicks_are_two_choices(client: Client, home: Home) -> None:
    client.post(home.preferences, {"do": "choices", "about_opens": "no", "about_clicks": "yes"})
    assert choice_values(home) == ("no", "yes")


def test_c2_an_untouched_question_writes_nothing(client: Client, home: Home) -> None:
    client.post(home.preferences, {"do": "choices", "about_clicks": "yes"})
    page = client.post(home.preferences, {"do": "choices"}).content.decode()
    assert "nothing was changed" in page
    assert choice_values(home) == ("unknown", "yes")


@pytest.mark.parametrize(
    "posted", [{}, {"do": "nonsense"}, {"both": "perhaps"}, {"do": "totals"}, {"about_opens": "1"}]
)
def test_c2_what_the_page_does_not_offer_writes_nothing(client: Client, home: Home, posted: dict[str, str]) -> None:
    assert client.post(home.preferences, posted).status_code == 200
    assert home.choice() is None


def test_c5_the_history_keeps_the_words_in_the_language_of_the_page(client: Client, home: Home) -> None:
    address = f"{home.preferences}?lang=de"
    page = unescape(client.get(address).content.decode())
    client.post(address, {"do": "choices", "both": "yes"})
    with tenant(home.cast.bakery.pk):
        events = list(ChoiceEvent.objects.filter(subject=home.zoe.ledger_id).select_related("consent_text"))
    assert {(event.kind, event.source, event.method) for event in events} == {
        ("opens", "person", "preference_page"),
        ("clicks", "person", "preference_page"),
    }
    for event in events:
        assert event.consent_text is not None
        assert event.consent_text.place == "preference_page"
        assert event.consent_text.text.startswith("Darf Bakery SA messen")
        assert event.consent_text.text in page


def test_c8_the_question_names_the_websites_that_a_yes_covers(client: Client, home: Home, cast: Cast) -> None:
    scope = brand(home, cast, home.message.queued_at)
    page = client.get(home.preferences).content.decode()
    assert "the emails of Daily bread," in page
    assert "Cakes" not in page
    client.post(home.preferences, {"do": "choices", "both": "yes", "everywhere": "1"})
    assert choice_values(home) == ("yes", "yes")
    assert choice_values(home, scope) is None


def test_c8_a_no_is_offered_everywhere(client: Client, home: Home, cast: Cast) -> None:
    assert "no_everywhere" not in client.get(home.preferences).content.decode()
    scope = brand(home, cast, home.message.queued_at)
    assert "no_everywhere" in client.get(home.preferences).content.decode()
    client.post(home.preferences, {"do": "choices", "both": "no_everywhere"})
    assert choice_values(home) == choice_values(home, scope) == ("no", "no")


def test_c8_a_no_without_everywhere_covers_its_scope_only(client: Client, home: Home, cast: Cast) -> None:
    scope = brand(home, cast, home.message.queued_at)
    client.post(home.preferences, {"do": "choices", "about_opens": "no"})
    assert choice_values(home) == ("no", "unknown")
    assert choice_values(home, scope) is None


def test_s4_totals_are_explained_only_where_they_are_counted(client: Client, home: Home) -> None:
    assert "Anonymous totals" not in client.get(home.preferences).content.decode()
    with tenant(home.cast.bakery.pk):
        Website.objects.update(opens_fallback="anonymous")
    page = client.get(home.preferences).content.decode()
    assert "Anonymous totals" in page
    assert "cannot be told apart" in page


def test_s4_an_objection_is_apart_from_the_answer(client: Client, home: Home) -> None:
    with tenant(home.cast.bakery.pk):
        Website.objects.update(clicks_fallback="anonymous")
    client.post(home.preferences, {"do": "choices", "both": "no"})
    choice = home.choice()
    assert choice is not None
    assert choice.anonymous_objected_at is None
    client.post(home.preferences, {"do": "totals", "totals": "object"})
    choice = home.choice()
    assert choice is not None
    assert choice.anonymous_objected_at is not None
    assert (choice.opens, choice.clicks) == ("no", "no")
    client.post(home.preferences, {"do": "totals", "totals": "count"})
    choice = home.choice()
    assert choice is not None
    assert choice.anonymous_objected_at is None


def test_a_key_that_means_nothing_gets_a_clear_page(client: Client) -> None:
    for key in (encode_key(new_key()), "x", "é" * 22, "A" * 400):
        for letter in ("p", "u", "me", "s"):
            response = client.get(f"/{letter}/{key}")
            assert response.status_code == 404
            assert "<h1>" in response.content.decode()
            assert "newest email" in response.content.decode()


@pytest.mark.parametrize("where", ["p/{}", "u/{}", "me/{}", "s/{}", "w/{}", "a/{}/1/1"])
def test_whoever_tries_out_keys_reads_a_sentence(client: Client, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    for module in ("privacy.views.pages", "campaigns.views"):
        monkeypatch.setattr(f"{module}.GUESSES", Limit(f"few guesses {new_key()}", 1, 86_400))
    first, second = (client.get("/" + where.format(encode_key(new_key())), {"lang": "fr"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (404, 429)
    assert "<h1>" in second.content.decode()
    assert second["Content-Language"] == "fr"


def test_an_erased_person_gets_the_page_of_a_forgotten_key(client: Client, home: Home) -> None:
    with tenant(home.cast.bakery.pk):
        home.zoe.delete()
    for address in (home.preferences, home.unsubscribe):
        assert client.get(address).status_code == 404
        assert client.post(address).status_code == 404


def test_the_language_is_asked_for_then_the_persons_then_the_browsers(client: Client, home: Home) -> None:
    german = {"Accept-Language": "pl,de;q=0.8"}
    assert '<html lang="en">' in client.get(home.preferences, headers=german).content.decode()
    with tenant(home.cast.bakery.pk):
        type(home.zoe).objects.filter(pk=home.zoe.pk).update(locale="pt")
    assert '<html lang="de">' in client.get(home.preferences, headers=german).content.decode()
    with tenant(home.cast.bakery.pk):
        type(home.zoe).objects.filter(pk=home.zoe.pk).update(locale="it_CH")
    assert '<html lang="it">' in client.get(home.preferences, headers=german).content.decode()
    assert '<html lang="nl">' in client.get(f"{home.preferences}?lang=nl", headers=german).content.decode()


def test_c9_choices_and_unsubscribes_pass_without_redis(client: Client, home: Home, settings: LazySettings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert client.post(home.preferences, {"do": "choices", "both": "no"}).status_code == 200
    assert choice_values(home) == ("no", "no")
    assert client.post(home.unsubscribe, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert home.subscribed() == set()


def test_more_changes_than_by_hand_are_stopped(client: Client, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("privacy.views.pages.CHANGES", Limit("few", 1, 86_400))
    client.post(home.preferences, {"do": "choices", "both": "no"})
    assert client.post(home.preferences, {"do": "choices", "both": "yes"}).status_code == 429
    assert choice_values(home) == ("no", "no")
    assert client.get(home.preferences).status_code == 200
