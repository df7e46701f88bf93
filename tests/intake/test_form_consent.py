"""What a participation page records of what people said about being measured, and of what they did not say."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from common.tenancy import tenant
from consent.models import Choice, ConsentText
from consent.rules import ChoiceValue, Source
from consent.services import record_choice
from delivery.refusals import suppress_hash
from intake.form_editing import FormRefused
from intake.models import ConsentVariant, FieldKind
from tests.intake.forms_world import ADDRESS, FormWorld, token_of
from tests.support.world import choose, make_participant
from websites.models import ConsentScope, MeasurementPermission, Website

pytestmark = pytest.mark.django_db

VARIANTS = [ConsentVariant.ONE_BOX, ConsentVariant.TWO_BOXES, ConsentVariant.YES_NO]


@pytest.mark.parametrize("variant", VARIANTS)
def test_c2_nothing_is_ticked(form_world: FormWorld, variant: ConsentVariant) -> None:
    form_world.ask(variant)
    page = form_world.open().content.decode()
    assert 'name="tracking' in page
    assert "checked" not in page
    assert "required" not in page.split('name="tracking')[1].split(">")[0]


@pytest.mark.parametrize("variant", VARIANTS)
def test_c2_an_untouched_question_writes_nothing(form_world: FormWorld, variant: ConsentVariant) -> None:
    form_world.ask(variant)
    assert form_world.send().status_code == 200
    assert len(form_world.entries()) == 1
    assert form_world.choice() is None
    assert form_world.events() == []


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("before", [ChoiceValue.YES, ChoiceValue.NO])
def test_c2_an_untouched_question_changes_no_earlier_answer(
    form_world: FormWorld, variant: ConsentVariant, before: ChoiceValue
) -> None:
    form_world.ask(variant)
    person = make_participant(form_world.organization, ADDRESS, now=timezone.now())
    choose(form_world.organization, person, now=timezone.now(), opens=before, clicks=before)
    written = len(form_world.events())
    form_world.send()
    assert form_world.choice() == (before, before)
    assert len(form_world.events()) == written


def test_c2_no_is_beside_yes_and_as_easy(form_world: FormWorld) -> None:
    form_world.ask(ConsentVariant.YES_NO)
    page = form_world.open().content.decode()
    yes, no = page.index('value="yes"'), page.index('value="no"')
    assert 0 < no - yes < 500
    assert form_world.send(tracking="no").status_code == 200
    assert form_world.choice() == ("no", "no")


def test_c2_declining_takes_a_yes_back_at_once(form_world: FormWorld) -> None:
    form_world.ask(ConsentVariant.YES_NO)
    person = make_participant(form_world.organization, ADDRESS, now=timezone.now())
    choose(form_world.organization, person, now=timezone.now(), opens=ChoiceValue.YES, clicks=ChoiceValue.YES)
    form_world.send(tracking="no")
    assert form_world.choice() == ("no", "no")


@pytest.mark.parametrize(
    ("variant", "answers", "expected"),
    [
        (ConsentVariant.ONE_BOX, {"tracking_both": "on"}, ("yes", "yes")),
        (ConsentVariant.TWO_BOXES, {"tracking_opens": "on"}, ("yes", "unknown")),
        (ConsentVariant.TWO_BOXES, {"tracking_clicks": "on"}, ("unknown", "yes")),
        (ConsentVariant.YES_NO, {"tracking": "yes"}, ("yes", "yes")),
    ],
)
def test_c5_a_yes_is_recorded_with_the_words_that_were_shown(
    form_world: FormWorld, variant: ConsentVariant, answers: dict[str, str], expected: tuple[str, str]
) -> None:
    form_world.ask(variant, "May we measure opens and clicks?")
    form_world.send(**answers)
    assert form_world.choice() == expected
    for event in form_world.events():
        assert (event.source, event.method) == ("person", "form")
        assert event.consent_text is not None
        assert event.consent_text.text == "May we measure opens and clicks?"
        assert event.consent_text.language == "en"
        assert event.kind in event.consent_text.asks_for
        assert event.evidence["address_confirmed"] is False


def test_c5_what_somebody_read_is_recorded_though_the_form_was_changed_meanwhile(form_world: FormWorld) -> None:
    form_world.ask(ConsentVariant.ONE_BOX, "The old words for opens and clicks")
    token = form_world.token()
    form_world.ask(ConsentVariant.YES_NO, "The new words")
    form_world.send(token=token, tracking_both="on", tracking="no")
    assert form_world.choice() == ("yes", "yes")
    assert {event.consent_text.text for event in form_world.events() if event.consent_text} == {
        "The old words for opens and clicks"
    }


def test_c5_the_language_of_the_page_is_that_of_the_record(form_world: FormWorld) -> None:
    form_world.set_page(languages=["en", "fr"])
    page = form_world.open(query="?lang=fr").content.decode()
    assert '<html lang="fr"' in page
    form_world.send(query="?lang=fr", tracking="yes")
    (text,) = {event.consent_text for event in form_world.events()}
    assert text is not None
    assert text.language == "fr"
    person = form_world.person()
    assert person is not None
    assert person.locale == "fr"


def test_c1_a_subscription_says_nothing_about_measuring(form_world: FormWorld) -> None:
    topic = form_world.add(FieldKind.TOPIC)
    form_world.send(**{f"q{topic.pk}": "on"})
    subscription = form_world.subscription()
    assert subscription is not None
    assert subscription.pending_since is None
    assert form_world.choice() is None


def test_c1_a_yes_to_being_measured_subscribes_to_nothing(form_world: FormWorld) -> None:
    form_world.add(FieldKind.TOPIC)
    form_world.send(tracking="yes")
    assert form_world.choice() == ("yes", "yes")
    assert form_world.subscription() is None


def test_c8_an_answer_covers_the_scope_of_the_website_and_a_no_can_cover_all(form_world: FormWorld) -> None:
    with tenant(form_world.organization.pk):
        other = ConsentScope.objects.create(organization=form_world.organization, name="Other brand")
    assert "everywhere" in form_world.open().content.decode()
    form_world.send(tracking="no")
    with tenant(form_world.organization.pk):
        assert not Choice.objects.filter(scope=other).exists()
    form_world.send(tracking="everywhere")
    with tenant(form_world.organization.pk):
        assert Choice.objects.get(scope=other).opens == "no"


# --- Somebody else's address ------------------------------------------------------------------------------------------


def test_c6_a_stranger_turns_no_into_yes_for_nobody(form_world: FormWorld) -> None:
    person = make_participant(form_world.organization, ADDRESS, now=timezone.now())
    choose(form_world.organization, person, now=timezone.now(), opens=ChoiceValue.NO)
    assert form_world.send(tracking="yes").status_code == 200
    # Clicks were never refused.
    assert form_world.choice() == ("no", "yes")


def test_c6_a_yes_that_an_import_once_refused_waits_too(form_world: FormWorld) -> None:
    person = make_participant(form_world.organization, ADDRESS, now=timezone.now())
    with tenant(form_world.organization.pk):
        record_choice(
            form_world.organization, person, opens=ChoiceValue.NO, clicks=ChoiceValue.NO, source=Source.IMPORT,
            method="import:1", happened_at=timezone.now() - timedelta(days=1), now=timezone.now(), evidence={"x": 1},
        )  # fmt: skip
    form_world.send(tracking="yes")
    assert form_world.choice() == ("no", "no")


def test_d2_an_erased_address_comes_back_with_what_was_forbidden(form_world: FormWorld) -> None:
    scope = str(form_world.website.consent_scope_id)
    suppress_hash(
        form_world.organization, ADDRESS, now=timezone.now() - timedelta(days=9), reasons=["unsubscribed"],
        refused={scope: ["opens"]},
    )  # fmt: skip
    first = form_world.add(FieldKind.TEXT, name="given", target="first_name")
    topic = form_world.add(FieldKind.TOPIC)
    form_world.send(tracking="yes", **{f"q{first.pk}": "Léa", f"q{topic.pk}": "on"})
    assert form_world.choice() == ("no", "yes")
    person, subscription = form_world.person(), form_world.subscription()
    assert person is not None
    assert person.first_name == ""
    assert subscription is not None
    assert subscription.pending_since is not None


def test_the_page_does_not_tell_whether_an_address_is_known(form_world: FormWorld) -> None:
    person = make_participant(form_world.organization, ADDRESS, now=timezone.now())
    choose(form_world.organization, person, now=timezone.now(), opens=ChoiceValue.NO, clicks=ChoiceValue.NO)
    known = form_world.send(tracking="yes").content
    unknown = form_world.send("new@home.example", tracking="yes").content
    assert known == unknown


def test_a_stranger_overwrites_nobodys_data(form_world: FormWorld) -> None:
    first = form_world.add(FieldKind.TEXT, name="given", target="first_name")
    country = form_world.add(FieldKind.COUNTRY)
    make_participant(form_world.organization, ADDRESS, now=timezone.now(), first_name="Léa", country="FR")
    form_world.send(**{f"q{first.pk}": "Mallory", f"q{country.pk}": "US"})
    person = form_world.person()
    assert person is not None
    assert (person.first_name, str(person.country)) == ("Léa", "FR")
    (entry,) = form_world.entries()
    assert entry.answers == {"given": "Mallory", "country": "US"}


# --- Professionals ----------------------------------------------------------------------------------------------------


def test_c2_a_ticked_box_exists_only_where_it_is_allowed(form_world: FormWorld) -> None:
    with pytest.raises(FormRefused, match="ticked box"):
        form_world.ask(ConsentVariant.PROFESSIONAL)


def allow_professionals(world: FormWorld) -> None:
    with tenant(world.organization.pk):
        Website.objects.filter(pk=world.website.pk).update(for_professionals=True)
        MeasurementPermission.objects.filter(website=world.website, country="CH").update(
            opens_professionals_since=timezone.now(), clicks_professionals_since=timezone.now()
        )


def test_c2_left_ticked_is_informed_and_never_a_yes(form_world: FormWorld) -> None:
    allow_professionals(form_world)
    form_world.ask(ConsentVariant.PROFESSIONAL)
    page = form_world.open().content.decode()
    assert "checked" in page
    form_world.send(tracking_professional="on")
    assert form_world.choice() == ("informed", "informed")
    form_world.send("no@home.example")
    assert form_world.choice("no@home.example") == ("no", "no")


def test_c2_left_ticked_changes_no_no(form_world: FormWorld) -> None:
    allow_professionals(form_world)
    form_world.ask(ConsentVariant.PROFESSIONAL)
    person = make_participant(form_world.organization, ADDRESS, now=timezone.now())
    choose(form_world.organization, person, now=timezone.now(), opens=ChoiceValue.NO, clicks=ChoiceValue.NO)
    form_world.send(tracking_professional="on")
    assert form_world.choice() == ("no", "no")


def test_c2_where_it_is_not_allowed_any_more_the_box_is_empty(form_world: FormWorld) -> None:
    allow_professionals(form_world)
    form_world.ask(ConsentVariant.PROFESSIONAL)
    with tenant(form_world.organization.pk):
        Website.objects.filter(pk=form_world.website.pk).update(for_professionals=False)
    response = form_world.open()
    assert "checked" not in response.content.decode()
    assert 'name="tracking_both"' in response.content.decode()
    assert token_of(response)
    form_world.send()
    assert form_world.choice() is None


def test_every_language_of_a_form_has_its_wording(form_world: FormWorld) -> None:
    form_world.set_page(languages=["en", "fr", "it", "de", "nl", "es"])
    asked = form_world.field(FieldKind.TRACKING_CONSENT)
    with tenant(form_world.organization.pk):
        for language in ("en", "fr", "it", "de", "nl", "es"):
            text = ConsentText.objects.get(pk=asked.wordings[language]["question"])
            assert text.language == language
            assert text.asks_for == ["clicks", "opens"]
            assert "Bakery SA" in text.text
