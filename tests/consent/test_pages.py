"""Every page of a website's policy, for each role: what is shown, who may do what (rules D5, H1, S13, C8)."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, Membership, User
from common.tenancy import tenant
from consent.models import LegalJustification, Notice, PolicyProposal
from consent.services import change_website_country, propose_justification
from tests.consent.test_console import DETAILS, fresh, page_of, said, save, signed_in, versions
from tests.support.cast import Cast
from tests.support.world import later, loosen, make_website
from websites.models import ConsentScope, Website, WebsiteStop
from websites.rules import EmailTracking

pytestmark = pytest.mark.django_db

ROLES = ("ana", "max", "dana", "ben")


@pytest.fixture
def website(cast: Cast) -> Website:
    return make_website(cast.bakery, cast.ana, now=timezone.now(), country="CH", tracking=EmailTracking.ALWAYS)


def members(cast: Cast) -> dict[str, User]:
    return {name: getattr(cast, name) for name in ROLES}


def propose(cast: Cast, website: Website, **fields: str) -> int:
    saved = save(signed_in(cast.ana), website, reason="Spring", **fields)
    assert saved.status_code == 302, saved.content.decode()
    with tenant(cast.bakery.pk):
        return PolicyProposal.objects.latest("pk").pk


# --- Stop measuring now -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "status"), [("ana", 302), ("max", 302), ("dana", 302), ("ben", 403)])
def test_h1_everybody_but_a_viewer_stops_measuring_at_once(
    cast: Cast, website: Website, name: str, status: int
) -> None:
    client = signed_in(members(cast)[name])
    assert client.get(page_of(website, "stop")).status_code == (403 if name == "ben" else 405)
    assert client.post(page_of(website, "stop"), {"reason": "A complaint"}).status_code == status
    stopped = fresh(cast.bakery, website).stopped_at is not None
    assert stopped is (status == 302)
    with tenant(cast.bakery.pk):
        held = website.permissions.exclude(opens_with_yes_since=None, opens_unless_no_since=None)
        assert held.exists() is not stopped
        bases = {one.opens_basis for one in website.permissions.all()}
        assert bases == ({"stopped"} if stopped else {"unless_no", "with_yes_by_law"})


def test_h1_a_stop_needs_a_reason_and_is_seen_on_every_page_of_the_website(cast: Cast, website: Website) -> None:
    dana = signed_in(cast.dana)
    assert "Say why" in said(dana.post(page_of(website, "stop"), {"reason": " "}))
    dana.post(page_of(website, "stop"), {"reason": "A complaint of 22 November"})
    for name in ("change", "notice"):
        page = dana.get(page_of(website, name)).content.decode()
        assert "Measuring is stopped on this website" in page
        assert "A complaint of 22 November" in page
    assert "Measuring stopped" in dana.get(reverse("admin:websites_website_changelist")).content.decode()
    latest = versions(cast.bakery, website)[-1]
    assert (latest.source, latest.author, latest.stopped) == ("stop", cast.dana, True)


def test_h1_the_undo_takes_two_people_and_counts_from_then_on(cast: Cast, website: Website) -> None:
    before = timezone.now()
    dana, ana = signed_in(cast.dana), signed_in(cast.ana)
    dana.post(page_of(website, "stop"), {"reason": "A complaint"})
    assert dana.post(page_of(website, "resume"), {"reason": "Settled"}).status_code == 403
    assert "Proposed" in said(ana.post(page_of(website, "resume"), {"reason": "Settled"}))
    assert fresh(cast.bakery, website).stopped_at is not None
    with tenant(cast.bakery.pk):
        number = PolicyProposal.objects.get(kind="undo_stop").pk
    dana.post(page_of(website, "proposal_confirm", number), {f"proposal-{number}-note": "Seen"})
    assert fresh(cast.bakery, website).stopped_at is None
    with tenant(cast.bakery.pk):
        stop = WebsiteStop.objects.get()
        assert (stop.stopped_by, stop.undone_by, stop.undo_reason) == (cast.dana, cast.dana, "Settled")
        # What was delivered before stays silent for good.
        assert website.permissions.get(country="CH").opens_unless_no_since >= before
    history = dana.get(page_of(website)).content.decode()
    assert "Stop measuring now, undone" in history
    assert "proposed by Ana" in history


def test_d5_an_undo_does_not_reach_a_later_stop(cast: Cast, website: Website) -> None:
    dana, ana = signed_in(cast.dana), signed_in(cast.ana)
    dana.post(page_of(website, "stop"), {"reason": "A complaint"})
    ana.post(page_of(website, "resume"), {"reason": "Settled"})
    ana.post(page_of(website, "resume"), {"reason": "Settled"})
    with tenant(cast.bakery.pk):
        first = PolicyProposal.objects.get(state="open")
    dana.post(page_of(website, "proposal_confirm", first.pk), {f"proposal-{first.pk}-note": "Seen"})
    dana.post(page_of(website, "stop"), {"reason": "Another complaint"})
    assert "no longer waiting" in said(dana.post(page_of(website, "proposal_confirm", first.pk)))
    assert fresh(cast.bakery, website).stopped_at is not None


# --- Two people -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"opens_fallback": "anonymous"}, "Opens of everybody else: Anonymous totals"),
        ({"opens_fallback": "last_open_day"}, "Opens of everybody else: Last open day"),
        ({"clicks_fallback": "anonymous"}, "Clicks of everybody else: Anonymous totals"),
        ({"for_professionals": "on"}, "For professionals: Yes"),
        ({"declared_country": "CH"}, "Switzerland"),
    ],
)
def test_d5_each_loosening_of_the_form_waits_and_each_tightening_does_not(
    cast: Cast, website: Website, fields: dict[str, str], words: str
) -> None:
    number = propose(cast, website, **fields)
    dana = signed_in(cast.dana)
    home = dana.get("/console/").content.decode()
    assert "Waiting for you" in home
    assert words in home
    (name,) = fields
    before = getattr(website, name)
    assert getattr(fresh(cast.bakery, website), name) == before
    dana.post(page_of(website, "proposal_confirm", number), {"next": "/console/", f"proposal-{number}-note": "Seen"})
    after = fresh(cast.bakery, website)
    assert getattr(after, name) != before
    # Back again by one person, at once.
    value = {"opens_fallback": "none", "clicks_fallback": "none"}.get(name, "")
    save(signed_in(cast.max), after, **({name: value} if name != "for_professionals" else {}))
    assert getattr(fresh(cast.bakery, website), name) == before


@pytest.mark.parametrize("step", ["confirm", "decline", "withdraw", "opinion"])
@pytest.mark.parametrize("name", ROLES)
def test_d5_who_may_take_which_step(cast: Cast, website: Website, step: str, name: str) -> None:
    number = propose(cast, website, opens_fallback="anonymous")
    client, address = signed_in(members(cast)[name]), page_of(website, f"proposal_{step}", number)
    assert client.get(address).status_code == (405 if name in ("ana", "dana") else 403)
    answer = client.post(address, {f"proposal-{number}-note": "My view"})
    with tenant(cast.bakery.pk):
        proposal = PolicyProposal.objects.get(pk=number)
    done = {
        ("ana", "withdraw"): "withdrawn",
        ("dana", "confirm"): "confirmed",
        ("dana", "decline"): "declined",
    }
    assert proposal.state == done.get((name, step), "open")
    assert (proposal.dpo_opinion == "My view") is (name == "dana" and step != "withdraw")
    assert answer.status_code == (302 if name in ("ana", "dana") else 403)
    assert (fresh(cast.bakery, website).opens_fallback == "anonymous") is (proposal.state == "confirmed")


def test_d5_an_officer_who_confirms_types_an_opinion_or_gave_one_before(cast: Cast, website: Website) -> None:
    number = propose(cast, website, opens_fallback="anonymous")
    dana, confirm = signed_in(cast.dana), page_of(website, "proposal_confirm", number)
    assert "Type the opinion" in said(dana.post(confirm, {f"proposal-{number}-note": "  "}))
    opinion = page_of(website, "proposal_opinion", number)
    assert "Type the opinion" in said(dana.post(opinion, {f"proposal-{number}-note": "  "}))
    assert fresh(cast.bakery, website).opens_fallback == "none"
    dana.post(opinion, {f"proposal-{number}-note": "My view"})
    dana.post(confirm)
    assert fresh(cast.bakery, website).opens_fallback == "anonymous"
    with tenant(cast.bakery.pk):
        proposal = PolicyProposal.objects.get(pk=number)
        assert (proposal.dpo_opinion, proposal.dpo_opinion_by) == ("My view", cast.dana)
        target = f"proposal {number}, website {website.pk}"
        assert AuditEntry.objects.get(action="proposal:opinion", target=target).actor == cast.dana


def test_d5_a_no_without_words_is_no_opinion(cast: Cast, website: Website) -> None:
    number = propose(cast, website, opens_fallback="anonymous")
    signed_in(cast.dana).post(page_of(website, "proposal_decline", number))
    with tenant(cast.bakery.pk):
        proposal = PolicyProposal.objects.get(pk=number)
    assert (proposal.state, proposal.dpo_opinion_at) == ("declined", None)


def test_d5_a_proposal_that_no_longer_fits_says_so_and_changes_nothing(cast: Cast) -> None:
    website = make_website(cast.bakery, cast.ana, now=timezone.now(), tracking=EmailTracking.NEVER)
    number = propose(cast, website, email_tracking="by_consent")
    loosen_and_tighten(cast, website)
    dana = signed_in(cast.dana)
    dana.post(page_of(website, "proposal_decline", number))
    again = propose(cast, website, email_tracking="by_consent")
    with tenant(cast.bakery.pk):
        # Somebody moves the website while the proposal waits.
        change_website_country(
            cast.bakery, website, country="FR", author=cast.max, reason="Moved", now=later(timezone.now(), seconds=1)
        )
    refused = said(dana.post(page_of(website, "proposal_confirm", again)))
    assert "no longer fits" in refused
    assert "no longer fits" in dana.get(page_of(website)).content.decode()
    assert fresh(cast.bakery, website).email_tracking == "never"


def loosen_and_tighten(cast: Cast, website: Website) -> None:
    """Another change in between, so that the history has more than one."""
    loosen(cast.bakery, website, now=timezone.now(), for_professionals=True)
    save(signed_in(cast.max), fresh(cast.bakery, website))


def test_d5_the_same_wish_is_one_proposal_and_another_one_must_wait(cast: Cast, website: Website) -> None:
    propose(cast, website, opens_fallback="anonymous")
    propose(cast, website, opens_fallback="anonymous")
    with tenant(cast.bakery.pk):
        assert PolicyProposal.objects.filter(state="open").count() == 1
    refused = save(signed_in(cast.ana), website, opens_fallback="last_open_day", reason="No, this")
    assert "must be decided or withdrawn first" in said(refused)


# --- Notices ----------------------------------------------------------------------------------------------------------


def test_s13_what_no_notice_tells_of_is_said_with_the_way_there(cast: Cast, website: Website) -> None:
    loosen(cast.bakery, website, now=timezone.now(), opens_fallback="anonymous")
    max_ = signed_in(cast.max)
    page = max_.get(page_of(website)).content.decode()
    assert "not every notice tells of it: Anonymous totals" in page
    form = max_.get(page_of(website, "notice") + "?language=it").content.decode()
    assert "Totali anonimi" in form
    assert "Aperture." in form
    posted = {
        "language": "en",
        "covers": ["opens", "clicks", "anonymous"],
        "text": "We count.",
        "url": "https://bread.example/",
    }
    assert max_.post(page_of(website, "notice"), posted).status_code == 302
    with tenant(cast.bakery.pk):
        notice = Notice.objects.latest("pk")
        assert (notice.version, notice.covers) == (2, ["opens", "clicks", "anonymous"])
        assert website.permissions.get(country="CH").opens_anonymous_since == notice.published_at
    assert "not every notice tells of it" not in max_.get(page_of(website)).content.decode()
    assert signed_in(cast.ben).post(page_of(website, "notice"), posted).status_code == 403


@pytest.mark.parametrize("language", ["en", "fr", "it", "de", "nl", "es"])
def test_s13_there_is_a_text_to_start_from_in_six_languages(cast: Cast, website: Website, language: str) -> None:
    if language == "en":
        with tenant(cast.bakery.pk):
            Notice.objects.all().delete()
    form = signed_in(cast.max).get(page_of(website, "notice") + f"?language={language}").context["form"]
    assert form.initial["language"] == language
    assert "Bakery SA" in form.initial["text"]
    assert "{" not in form.initial["text"]


# --- Justifications ---------------------------------------------------------------------------------------------------


def test_s7_a_justification_names_the_rows_that_it_loosens(cast: Cast, website: Website) -> None:
    ana = signed_in(cast.ana)
    posted: dict[str, Any] = {
        "countries": ["FR"],
        "rule_keys": ["anonymous_opens"],
        "reason": "FAQ of July",
        "ends_on": later(timezone.now(), days=20).date().isoformat(),
    }
    assert "required" in ana.post(page_of(website, "justification"), {**posted, "rule_keys": []}).content.decode()
    assert ana.post(page_of(website, "justification"), posted).status_code == 302
    with tenant(cast.bakery.pk):
        one = LegalJustification.objects.get()
        assert one.rule_keys == ["anonymous_opens"]
    signed_in(cast.dana).post(page_of(website, "confirm", one.pk), {f"confirm-{one.pk}-note": "Seen"})
    page = ana.get(page_of(website)).content.decode()
    assert "Opens as anonymous totals" in page
    assert "ends in 20 days" in page or "ends in 19 days" in page
    table = ana.get("/console/rules/").content.decode()
    assert "justified for France until" in table


def test_d5_the_officer_gives_an_opinion_and_another_owner_confirms(cast: Cast, website: Website) -> None:
    max_, dana = signed_in(cast.max), signed_in(cast.dana)
    with tenant(cast.bakery.pk):
        Membership.objects.filter(user=cast.max).update(role="owner")
        number = propose_justification(
            cast.bakery, website, countries=["BE"], reason="Counsel", ends_on=later(timezone.now(), days=20).date(),
            author=cast.ana, now=timezone.now(),
        ).pk  # fmt: skip
    confirm, opinion = page_of(website, "confirm", number), page_of(website, "opinion", number)
    note = f"confirm-{number}-note"
    page = max_.get(page_of(website)).content.decode()
    assert "has not given an opinion yet" in page
    assert confirm not in page
    assert "has not given an opinion yet" in said(max_.post(confirm, {note: "I agree"}))
    assert "Only the data protection officer gives" in said(max_.post(opinion, {note: "Mine"}))
    assert opinion in dana.get(page_of(website)).content.decode()
    assert dana.get(opinion).status_code == 405
    assert signed_in(cast.ben).post(opinion, {note: "Mine"}).status_code == 403
    assert "Your opinion is kept" in said(dana.post(opinion, {note: "Rather not."}))
    page = max_.get(page_of(website)).content.decode()
    assert "Rather not." in page
    assert opinion not in page
    assert "counts from now on" in said(max_.post(confirm))


# --- Consent scopes ---------------------------------------------------------------------------------------------------


def test_c8_a_website_moves_to_another_scope_with_two_people_and_begins_again(cast: Cast, website: Website) -> None:
    ana = signed_in(cast.ana)
    add = reverse("admin:websites_consentscope_add")
    assert ana.post(add, {"name": "Pastry"}).status_code == 302
    assert "already" in ana.post(add, {"name": "Pastry"}).content.decode()
    for name in ("max", "dana", "ben"):
        assert signed_in(members(cast)[name]).post(add, {"name": "Mine"}).status_code == 403
    with tenant(cast.bakery.pk):
        scope = ConsentScope.objects.get(name="Pastry")
    move = reverse("admin:websites_consentscope_move", args=[scope.pk])
    assert signed_in(cast.max).post(move, {"website": website.pk, "reason": "x"}).status_code == 403
    assert ana.post(move, {"website": website.pk, "reason": "A brand of its own"}).status_code == 302
    with tenant(cast.bakery.pk):
        number = PolicyProposal.objects.get(state="open").pk
    before = timezone.now()
    signed_in(cast.dana).post(page_of(website, "proposal_confirm", number), {f"proposal-{number}-note": "Seen"})
    with tenant(cast.bakery.pk):
        row = fresh(cast.bakery, website).permissions.get(country="CH")
        assert row.scope_id == scope.pk
        assert row.opens_with_yes_since >= before
    page = ana.get(reverse("admin:websites_consentscope_change", args=[scope.pk])).content.decode()
    assert "What a yes covers" in page
    assert "Daily bread" in page


# --- Reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROLES)
def test_every_page_can_be_read_by_every_role(cast: Cast, website: Website, name: str) -> None:
    propose(cast, website, opens_fallback="anonymous")
    client = signed_in(members(cast)[name])
    for address in ("/console/", "/console/advisor/", "/console/rules/", "/console/processing/", page_of(website)):
        assert client.get(address).status_code == 200, address
    assert "Pli is a tool, not legal advice" in client.get("/console/rules/").content.decode()


def test_nobody_signed_out_reads_any_of_it(cast: Cast, website: Website) -> None:
    for address in ("/console/advisor/", "/console/rules/", "/console/processing/", "/console/processing/csv/"):
        assert Client().get(address).status_code == 302
    assert DETAILS["name"] not in signed_in(cast.cleo).get("/console/processing/").content.decode()
