"""The console's form builder: questions, words, order, what came in."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign, EmailKind
from common.tenancy import tenant
from consent.models import ConsentText
from delivery.models import Purpose
from intake.form_editing import FieldChange, FormRefused, change_field, create_form
from intake.models import ConsentVariant, EntryForm, FieldKind, FormField
from tests.campaigns.world import make_email
from tests.intake.forms_world import FormWorld
from tests.support.cast import Cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def max_client(cast: Cast) -> Client:
    client = Client()
    client.force_login(cast.max)
    return client


def page(world: FormWorld, name: str, *args: object) -> str:
    return reverse(f"admin:intake_entryform_{name}", args=[world.form.pk, *args])


def kinds(world: FormWorld) -> list[str]:
    with tenant(world.organization.pk):
        return [question.kind for question in FormField.objects.filter(form=world.form)]


def test_a_campaign_gets_its_form_by_a_button(cast: Cast, form_world: FormWorld, max_client: Client) -> None:
    with tenant(cast.bakery.pk):
        campaign = Campaign.objects.create(organization=cast.bakery, website=form_world.website, name="Second")
    address = reverse("admin:intake_entryform_of_campaign", args=[campaign.pk])
    assert "no form yet" in max_client.get(address).content.decode()
    with tenant(cast.bakery.pk):
        assert not EntryForm.objects.filter(campaign=campaign).exists()
    response = max_client.post(address, follow=True)
    assert "Form of Second" in response.content.decode()
    with tenant(cast.bakery.pk):
        made = EntryForm.objects.get(campaign=campaign)
        assert made.published_at is None
        assert made.double_opt_in
        assert create_form(cast.bakery, campaign, author=cast.max, now=timezone.now()).pk == made.pk


def test_fields_are_added_moved_edited_and_removed(form_world: FormWorld, max_client: Client) -> None:
    max_client.post(page(form_world, "add_field"), {"kind": "text"})
    assert kinds(form_world) == ["email", "tracking", "text"]
    text = form_world.field(FieldKind.TEXT)
    max_client.post(page(form_world, "press", text.pk), {"act": "up"})
    assert kinds(form_world) == ["email", "text", "tracking"]
    max_client.post(page(form_world, "press", text.pk), {"act": "down"})
    max_client.post(page(form_world, "press", text.pk), {"act": "down"})
    assert kinds(form_world) == ["email", "tracking", "text"]
    edited = {"name": "town", "target": "attribute", "required": "on", "label_en": "Your town", "help_en": "Optional"}
    response = max_client.post(page(form_world, "field", text.pk), edited)
    assert response.status_code == 302
    public = form_world.open().content.decode()
    assert "Your town" in public
    max_client.post(page(form_world, "press", text.pk), {"act": "remove"})
    assert kinds(form_world) == ["email", "tracking"]
    email = form_world.field(FieldKind.EMAIL)
    max_client.post(page(form_world, "press", email.pk), {"act": "remove"})
    assert kinds(form_world) == ["email", "tracking"]


def test_looking_at_a_button_presses_nothing(form_world: FormWorld, max_client: Client) -> None:
    field = form_world.field(FieldKind.TRACKING_CONSENT)
    assert max_client.get(page(form_world, "press", field.pk), {"act": "remove"}).status_code == 405
    for name in ("publish", "withdraw", "add_field"):
        assert max_client.get(page(form_world, name)).status_code == 405
    assert kinds(form_world) == ["email", "tracking"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Two words"}, "name"),
        ({"name": "email"}, "name"),
        ({"name": "a", "target": "email"}, "target"),
        ({"name": "a", "texts": {"en": {"options": ["only one"]}}}, "options_en"),
        ({"name": "a", "texts": {"en": {"options": ["same", "same"]}}}, "options_en"),
    ],
)
def test_what_a_field_cannot_be_is_refused(form_world: FormWorld, change: dict[str, object], field: str) -> None:
    question = form_world.add(FieldKind.CHOICE)
    with pytest.raises(FormRefused) as refusal:
        change_field(
            form_world.organization, question, FieldChange(**change), author=form_world.author, now=timezone.now()
        )
    assert refusal.value.field_name == field


def test_c5_changed_words_are_a_new_version_and_the_old_one_stays(form_world: FormWorld, max_client: Client) -> None:
    field = form_world.field(FieldKind.TRACKING_CONSENT)
    before = field.wordings["en"]["question"]
    response = max_client.post(
        page(form_world, "field", field.pk),
        {"name": field.name, "variant": "yes_no", "wording_question_en": "May we measure opens and clicks?"},
    )
    assert response.status_code == 302
    after = form_world.field(FieldKind.TRACKING_CONSENT).wordings["en"]["question"]
    assert after != before
    with tenant(form_world.organization.pk):
        assert ConsentText.objects.get(pk=before).text != ConsentText.objects.get(pk=after).text
        assert ConsentText.objects.get(pk=after).published_by_id == form_world.author.pk
    assert "May we measure opens and clicks?" in form_world.open().content.decode()


def test_the_preview_is_the_public_page_and_cannot_be_sent(form_world: FormWorld, max_client: Client) -> None:
    response = max_client.get(page(form_world, "preview"))
    body, public = response.content.decode(), form_world.open().content.decode()
    questions = body[body.index("<main>") : body.index("</main>")]
    shown = public[public.index("<main>") : public.index("</main>")]

    def without_token(text: str) -> str:
        start = text.index('name="page" value="') + len('name="page" value="')
        return text[:start] + text[text.index('"', start) :]

    assert without_token(questions) == without_token(shown)
    assert "form-action 'none'" in response["Content-Security-Policy"]
    assert response["X-Frame-Options"] == "SAMEORIGIN"


def test_the_page_gives_code_to_copy_and_counts_entries(form_world: FormWorld, max_client: Client, settings) -> None:
    settings.BASE_URL = "https://pli.example"
    form_world.send()
    body = max_client.get(page(form_world, "change")).content.decode()
    assert "&lt;script src=&quot;https://pli.example/f/embed.js&quot;" in body
    assert "&lt;iframe src=&quot;https://pli.example/f/" in body
    assert "1 entry" in body


def test_entries_leave_as_csv_that_a_spreadsheet_does_not_run(form_world: FormWorld, max_client: Client) -> None:
    text = form_world.add(FieldKind.TEXT)
    form_world.send(**{f"q{text.pk}": '=HYPERLINK("https://evil.example")'}, tracking="yes")
    assert "lea@home.example" in max_client.get(page(form_world, "entries")).content.decode()
    body = max_client.get(page(form_world, "export")).content.decode("utf-8-sig")
    header, line = body.splitlines()
    assert header == "sent,email,language,source,text"
    assert "lea@home.example" in line
    assert ",\"'=HYPERLINK" in line
    assert "yes" not in line


def test_viewers_read_no_entries_and_officers_do(form_world: FormWorld, cast: Cast) -> None:
    for member, status in ((cast.ben, 404), (cast.dana, 200), (cast.ana, 200)):
        client = Client()
        client.force_login(member)
        assert client.get(page(form_world, "entries")).status_code in ((status, 403) if status == 404 else (status,))
    client = Client()
    client.force_login(cast.dana)
    assert client.post(page(form_world, "publish")).status_code == 403


def test_only_an_exit_screen_email_of_the_campaign_can_answer(
    form_world: FormWorld, cast: Cast, max_client: Client
) -> None:
    newsletter = make_email(cast.bakery, form_world.campaign, now=timezone.now())
    with pytest.raises(FormRefused, match="exit-screen email"):
        form_world.set_page(exit_email=newsletter)
    answer = make_email(
        cast.bakery, form_world.campaign, now=timezone.now(), kind=EmailKind.EXIT_SCREEN, purpose=Purpose.TRANSACTIONAL
    )
    response = max_client.post(
        page(form_world, "change"), {"languages": ["en", "fr"], "exit_email": answer.pk, "title_en": "A quiz"}
    )
    assert response.status_code == 302, response.content.decode()
    form = form_world.reload()
    assert form.exit_launch is not None
    assert form.languages == ["en", "fr"]
    assert "A quiz" in form_world.open().content.decode()


def test_a_topic_of_another_website_is_refused(form_world: FormWorld) -> None:
    question = form_world.add(FieldKind.TOPIC)
    with pytest.raises(FormRefused) as refusal:
        change_field(
            form_world.organization, question, FieldChange(name="topic"), author=form_world.author, now=timezone.now()
        )
    assert refusal.value.field_name == "topic"
    with pytest.raises(FormRefused, match="no other topic"):
        form_world.add(FieldKind.TOPIC)


def test_one_tracking_field_is_enough(form_world: FormWorld) -> None:
    with pytest.raises(FormRefused, match="one field"):
        form_world.add(FieldKind.TRACKING_CONSENT)
    form_world.ask(ConsentVariant.TWO_BOXES)
    page_text = form_world.open().content.decode()
    assert page_text.count('name="tracking_') == 2


def test_a_language_that_is_added_lacks_nothing_that_nobody_wrote(form_world: FormWorld, max_client: Client) -> None:
    written = form_world.add(FieldKind.TEXT, name="town", texts={"en": {"label": "Your town"}})
    country = form_world.add(FieldKind.COUNTRY)
    form_world.set_page(languages=["en", "fr"])
    with tenant(form_world.organization.pk):
        country.refresh_from_db()
        written.refresh_from_db()
    assert country.texts["fr"]["label"] == "Pays"
    assert "fr" not in written.texts
    assert "no label yet in: French" in max_client.get(page(form_world, "change")).content.decode()
    assert "Your town" in form_world.open(query="?lang=fr").content.decode()


def test_a_persons_page_shows_each_act_about_their_subscriptions(form_world: FormWorld, max_client: Client) -> None:
    box = form_world.add(FieldKind.TOPIC)
    form_world.set_page(double_opt_in=True)
    form_world.send(**{f"q{box.pk}": "on"})
    person = form_world.person()
    assert person is not None
    body = max_client.get(reverse("admin:participants_participant_change", args=[person.pk])).content.decode()
    assert "waits for confirmation" in body
    history = body[body.index("Subscription history") :]
    assert "Asked for, waits for confirmation" in history
    assert "form: Bread quiz" in history
    assert "I can unsubscribe at any time" in history
