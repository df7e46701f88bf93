"""Publishing > Websites in the console: who may do what, what is refused and how it is said."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Organization, User
from common.tenancy import tenant
from consent.models import LegalJustification, Notice, PolicyProposal, Topic
from tests.support.cast import Cast
from tests.support.world import later, make_participant, make_topic, make_website, subscribe_to
from websites.models import EmailTrackingVersion, Website
from websites.rules import EmailTracking

pytestmark = pytest.mark.django_db

LIST = "/console/websites/website/"
DETAILS = {
    "name": "Daily bread",
    "domain": "https://Bread.example/",
    "country": "BE",
    "declared_country": "",
    "tracking_domain": "",
    "sender_name": "Bakery",
    "sender_email": "news@bread.example",
}


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page_of(website: Website, name: str = "change", *more: int) -> str:
    return reverse(f"admin:websites_website_{name}", args=[website.pk, *more])


def said(response: HttpResponse) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))  # type: ignore[attr-defined]


def fresh(organization: Organization, website: Website) -> Website:
    with tenant(organization.pk):
        return Website.objects.get(pk=website.pk)


def versions(organization: Organization, website: Website) -> list[EmailTrackingVersion]:
    with tenant(organization.pk):
        return list(EmailTrackingVersion.objects.filter(website=website).order_by("number"))


def save(client: Client, website: Website, **changes: str) -> Any:
    fields = {**DETAILS, "country": str(website.country), "email_tracking": website.email_tracking, "reason": ""}
    return client.post(page_of(website), {**fields, **changes})


@pytest.fixture
def website(cast: Cast, now: datetime) -> Website:
    return make_website(cast.bakery, cast.ana, now=now)


# --- One website ------------------------------------------------------------------------------------------------------


def test_a_new_website_starts_on_never_and_keeps_a_clean_host(cast: Cast) -> None:
    response = signed_in(cast.max).post(f"{LIST}add/", DETAILS)
    assert response.status_code == 302
    with tenant(cast.bakery.pk):
        website = Website.objects.get()
    assert (website.email_tracking, website.domain) == ("never", "bread.example")
    assert [one.author for one in versions(cast.bakery, website)] == [cast.max]


def test_the_form_shows_a_sentence_under_each_choice(cast: Cast, website: Website) -> None:
    page = signed_in(cast.max).get(page_of(website)).content.decode()
    for words in ("No answer is not a yes", "also for mail already delivered", "countries that require a yes"):
        assert words in page
    assert page.count('type="radio"') == 3


def test_d5_a_loosening_waits_for_a_second_person_and_then_is_a_version_with_both_names(
    cast: Cast, website: Website
) -> None:
    response = save(signed_in(cast.ana), website, email_tracking="by_consent", reason="We ask people now.")
    assert response.status_code == 302
    assert "Waits for a second person: Email tracking: By consent" in said(response)
    assert fresh(cast.bakery, website).email_tracking == "never"
    with tenant(cast.bakery.pk):
        number = PolicyProposal.objects.get().pk
    dana = signed_in(cast.dana)
    confirm = page_of(website, "proposal_confirm", number)
    assert confirm in dana.get(page_of(website)).content.decode()
    done = dana.post(confirm, {f"proposal-{number}-note": "Asked in the form, as it should be."})
    assert "Confirmed" in said(done)
    latest = versions(cast.bakery, website)[-1]
    assert (latest.previous, latest.email_tracking, latest.proposed_by, latest.author, latest.reason) == (
        "never", "by_consent", cast.ana, cast.dana, "We ask people now.",
    )  # fmt: skip


def test_d5_a_marketer_tightens_and_does_not_loosen(cast: Cast, now: datetime) -> None:
    website = make_website(cast.bakery, cast.ana, now=now, tracking=EmailTracking.BY_CONSENT)
    max_ = signed_in(cast.max)
    assert "Never track: No pixel" in said(save(max_, website, email_tracking="never"))
    website = fresh(cast.bakery, website)
    assert website.email_tracking == "never"
    refused = save(max_, website, email_tracking="by_consent", reason="We ask people now.")
    assert "an owner proposes it, and a second person confirms it" in refused.content.decode()
    assert fresh(cast.bakery, website).email_tracking == "never"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"email_tracking": "by_consent"}, "Say why more is to be measured"),
        ({"email_tracking": "always", "reason": "x"}, "only with a legal justification that names Belgium"),
        ({"declared_country": "CH"}, "Say why more is to be measured"),
        ({"domain": "not a host"}, "not a host name"),
        ({"country": "XX"}, "not one of the available choices"),
        ({"email_tracking": "sometimes"}, "not one of the available choices"),
    ],
)
def test_what_is_refused_is_said_beside_the_field_and_nothing_is_saved(
    cast: Cast, website: Website, changes: dict[str, str], words: str
) -> None:
    response = save(signed_in(cast.ana), website, name="Renamed", **changes)
    assert response.status_code == 200
    assert words in response.content.decode()
    kept = fresh(cast.bakery, website)
    assert (kept.name, kept.email_tracking, kept.declared_country.code) == ("Daily bread", "never", "")
    assert len(versions(cast.bakery, website)) == 1


def test_two_websites_of_an_organization_have_two_names(cast: Cast, website: Website) -> None:
    response = signed_in(cast.max).post(f"{LIST}add/", DETAILS)
    assert "a website with this name already" in response.content.decode()


def test_f2_a_website_whose_country_becomes_french_goes_to_never(cast: Cast, now: datetime) -> None:
    website = make_website(cast.bakery, cast.ana, now=now, country="CH", tracking=EmailTracking.ALWAYS)
    response = save(signed_in(cast.max), website, country="GP")
    assert "Never track" in said(response)
    assert fresh(cast.bakery, website).email_tracking == "never"
    assert versions(cast.bakery, website)[-1].source == "country_rule"


def test_the_page_says_what_is_measured_for_whom_and_warns_of_people_in_france(
    cast: Cast, website: Website, now: datetime
) -> None:
    topic = make_topic(cast.bakery, website)
    for number in range(3):
        person = make_participant(cast.bakery, f"p{number}@home.example", now=now, country="FR" if number else "BE")
        subscribe_to(cast.bakery, person, topic, now=now)
    client = signed_in(cast.ben)
    page = client.get(page_of(website)).content.decode()
    assert "<strong>2 people in France</strong>" in page
    assert "Nobody is measured: the website is set to Never track." in page
    assert "2 people" in client.get(LIST).content.decode()


def test_ben_reads_everything_and_changes_nothing(cast: Cast, website: Website) -> None:
    client = signed_in(cast.ben)
    page = client.get(page_of(website)).content.decode()
    assert 'type="radio"' not in page
    assert "History of email tracking" in page
    assert save(client, website, email_tracking="by_consent", reason="x").status_code == 403
    assert client.get(f"{LIST}add/").status_code == 403
    for name in ("tracking", "notice", "justification"):
        assert client.get(page_of(website, name)).status_code == 403
    assert fresh(cast.bakery, website).email_tracking == "never"


# --- Several websites -------------------------------------------------------------------------------------------------


def change_many(client: Client, websites: list[Website], **fields: str) -> Any:
    chosen = [("_selected_action", str(website.pk)) for website in websites]
    data = urlencode([("action", "change_tracking_of_selected"), *chosen, *fields.items()])
    return client.post(LIST, data, content_type="application/x-www-form-urlencoded")


def test_several_websites_at_once_with_a_reason_and_the_refused_ones_named(cast: Cast, now: datetime) -> None:
    swiss = make_website(cast.bakery, cast.ana, now=now, name="Swiss", country="CH")
    belgian = make_website(cast.bakery, cast.ana, now=now, name="Belgian")
    client = signed_in(cast.ana)
    page = change_many(client, [swiss, belgian])
    assert page.status_code == 200
    assert all(words in page.content.decode() for words in ("2 websites", "Swiss", "Belgian", "No answer is not a yes"))

    without_reason = change_many(client, [swiss, belgian], apply="1", tracking="always", reason="")
    assert "required" in without_reason.content.decode()
    done = change_many(client, [swiss, belgian], apply="1", tracking="always", reason="Spring")
    assert done.status_code == 302
    assert "1 website waits for a second person before it is on Always track." in said(done)
    assert "Belgian was not changed." in said(done)
    assert {fresh(cast.bakery, one).email_tracking for one in (swiss, belgian)} == {"never"}
    with tenant(cast.bakery.pk):
        assert [one.website_id for one in PolicyProposal.objects.all()] == [swiss.pk]


def test_the_dpo_can_only_stop(cast: Cast, now: datetime) -> None:
    website = make_website(cast.bakery, cast.ana, now=now, tracking=EmailTracking.BY_CONSENT)
    client = signed_in(cast.dana)
    page = client.get(page_of(website, "tracking")).content.decode()
    assert page.count('type="radio"') == 1
    refused = client.post(page_of(website, "tracking"), {"apply": "1", "tracking": "always", "reason": "x"})
    assert refused.status_code == 200
    assert fresh(cast.bakery, website).email_tracking == "by_consent"
    client.post(page_of(website, "tracking"), {"apply": "1", "tracking": "never", "reason": "A complaint"})
    assert fresh(cast.bakery, website).email_tracking == "never"
    assert versions(cast.bakery, website)[-1].author == cast.dana


def test_the_viewer_has_no_action(cast: Cast, website: Website) -> None:
    client = signed_in(cast.ben)
    assert "change_tracking_of_selected" not in client.get(LIST).content.decode()
    change_many(client, [website], apply="1", tracking="by_consent", reason="x")
    assert fresh(cast.bakery, website).email_tracking == "never"


def test_the_list_is_filtered_and_searched(cast: Cast, now: datetime) -> None:
    make_website(cast.bakery, cast.ana, now=now, name="Swiss one", country="CH", tracking=EmailTracking.ALWAYS)
    make_website(cast.bakery, cast.ana, now=now, name="Belgian one")
    client = signed_in(cast.ben)
    for query, shown, hidden in (
        ("tracking=always", "Swiss one", "Belgian one"),
        ("country=BE", "Belgian one", "Swiss one"),
        ("q=swiss", "Swiss one", "Belgian one"),
    ):
        page = client.get(f"{LIST}?{query}").content.decode()
        assert shown in page
        assert hidden not in page


# --- Notices, justifications, topics ----------------------------------------------------------------------------------


def test_s13_a_notice_is_published_on_the_website_s_page(cast: Cast, now: datetime) -> None:
    website = make_website(cast.bakery, cast.ana, now=now, notice=False, tracking=EmailTracking.BY_CONSENT)
    client = signed_in(cast.max)
    assert "no notice that tells people" in client.get(page_of(website)).content.decode()
    form = {
        "language": "fr",
        "covers": ["opens", "clicks"],
        "text": "Nous mesurons les ouvertures.",
        "url": "javascript:alert(1)",
    }
    assert client.post(page_of(website, "notice"), form).status_code == 200
    done = client.post(page_of(website, "notice"), {**form, "url": "bread.example/vie-privee"})
    assert "Version 1 of the notice in French" in said(done)
    with tenant(cast.bakery.pk):
        notice = Notice.objects.get()
        assert (notice.url, notice.published_by) == ("https://bread.example/vie-privee", cast.max)
        assert website.permissions.get(country="BE").opens_with_yes_since == notice.published_at
    assert "Nous mesurons" in client.get(page_of(website)).content.decode()


def proposal() -> dict[str, Any]:
    return {
        "rule_keys": ["individual_opens", "individual_clicks"],
        "countries": ["BE", "NL"],
        "reason": "Opinion of counsel",
        "ends_on": later(timezone.now(), days=90).date().isoformat(),
    }


def test_d5_a_justification_is_proposed_by_an_owner_and_confirmed_by_the_dpo(cast: Cast) -> None:
    website = make_website(cast.bakery, cast.ana, now=timezone.now())
    ana, dana, max_ = signed_in(cast.ana), signed_in(cast.dana), signed_in(cast.max)
    assert max_.post(page_of(website, "justification"), proposal()).status_code == 403
    past = {**proposal(), "ends_on": "2020-01-01"}
    assert "a day to come" in ana.post(page_of(website, "justification"), past).content.decode()
    assert ana.post(page_of(website, "justification"), proposal()).status_code == 302
    with tenant(cast.bakery.pk):
        number = LegalJustification.objects.get().pk

    confirm = page_of(website, "confirm", number)
    assert "A second person must confirm it" in ana.get(page_of(website)).content.decode()
    assert "A second person must confirm it" in said(ana.post(confirm))
    assert max_.post(confirm).status_code == 403
    assert dana.get(confirm).status_code == 405
    assert confirm in dana.get(page_of(website)).content.decode()
    done = dana.post(confirm, {f"confirm-{number}-note": "I agree."})
    assert "counts from now on" in said(done)
    assert save(ana, website, email_tracking="always", reason="Justified").status_code == 302
    with tenant(cast.bakery.pk):
        proposed = PolicyProposal.objects.get().pk
    dana.post(page_of(website, "proposal_confirm", proposed), {f"proposal-{proposed}-note": "Seen"})
    assert fresh(cast.bakery, website).email_tracking == "always"

    withdraw = page_of(website, "withdraw", number)
    assert signed_in(cast.ben).post(withdraw).status_code == 403
    assert dana.get(withdraw).status_code == 405
    dana.post(withdraw)
    with tenant(cast.bakery.pk):
        assert LegalJustification.objects.get().withdrawn_by == cast.dana
        assert website.permissions.get(country="BE").opens_basis == "with_yes_by_law"
    assert "I agree." in dana.get(page_of(website)).content.decode()


def test_a_topic_is_added_to_a_website_and_stays_there(cast: Cast, website: Website, now: datetime) -> None:
    other = make_website(cast.bakery, cast.ana, now=now, name="Other")
    client = signed_in(cast.max)
    add = reverse("admin:consent_topic_add")
    assert client.post(add, {"website": website.pk, "name": "News"}).status_code == 302
    assert client.post(add, {"website": website.pk, "name": "News"}).status_code == 200
    with tenant(cast.bakery.pk):
        topic = Topic.objects.get()
    assert topic.organization_id == cast.bakery.pk
    change = reverse("admin:consent_topic_change", args=[topic.pk])
    client.post(change, {"website": other.pk, "name": "Weekly news"})
    with tenant(cast.bakery.pk):
        topic.refresh_from_db()
    assert (topic.website_id, topic.name) == (website.pk, "Weekly news")


# --- Strangers --------------------------------------------------------------------------------------------------------


def test_cleo_sees_and_reaches_nothing_of_bakery(cast: Cast, website: Website, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        justification = LegalJustification.objects.create(
            organization=cast.bakery,
            website=website,
            countries=["BE"],
            reason="Ours",
            ends_on=later(now, days=90).date(),
            proposed_by=cast.ana,
        )
    topic = make_topic(cast.bakery, website)
    own = make_website(cast.cinema, cast.cleo, now=now, name="Films")
    cleo = signed_in(cast.cleo)
    listed = cleo.get(LIST).content.decode()
    assert "Films" in listed
    assert "Daily bread" not in listed
    assert "Daily bread" not in cleo.get(reverse("admin:consent_topic_add")).content.decode()
    pages = [page_of(website, name) for name in ("change", "tracking", "notice", "justification")]
    pages += [
        page_of(one, name, justification.pk) for one in (website, own) for name in ("confirm", "opinion", "withdraw")
    ]
    pages += [reverse("admin:consent_topic_change", args=[topic.pk]), f"{LIST}999999/change/", f"{LIST}abc/change/"]
    for page in pages:
        assert cleo.get(page).status_code == 404, page
        assert cleo.post(page).status_code == 404, page
    change_many(cleo, [website], apply="1", tracking="by_consent", reason="x")
    assert fresh(cast.bakery, website).email_tracking == "never"
