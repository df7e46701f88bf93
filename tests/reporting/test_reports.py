"""Reports: bases frozen at send, small groups kept together, "not measured" never as 0."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaigns.models import DeclaredReply, Launch, Question, SplitTest, Variant
from common.tenancy import tenant
from consent.rules import ChoiceValue, Source
from consent.services import record_choice
from delivery.models import Message
from participants.models import Participant
from reporting import tasks
from reporting.models import Dimension
from reporting.reports import LaunchReport, get_launch, launches_of, report_launch, report_several
from reporting.rules import Rate
from reporting.tables import Unsaid, cell_words, group_tables, launch_tables, several_tables
from tests.reporting.world import ANONYMOUS, YES, Sending, make_sending
from tests.support.cast import Cast
from tests.support.hits import batch_of, forget_hits, make_copies, store
from tracking.models import AnonymousTotal, HitKind, TrackedMessage

MOST_QUERIES = 27
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])


@pytest.fixture
def sending(transactional_db: None, cast: Cast) -> Sending:
    forget_hits()
    return make_sending(make_copies(cast.bakery))


def report_of(sending: Sending) -> LaunchReport:
    with tenant(sending.organization.pk):
        launch = get_launch(sending.organization, sending.launch.pk)
        assert launch is not None
        return report_launch(sending.organization, launch)


def count_anonymously(sending: Sending, link: int, hits: int, kind: HitKind = HitKind.CLICK) -> None:
    with tenant(sending.organization.pk):
        AnonymousTotal.objects.create(
            organization_id=sending.organization.pk, content=sending.copies.content, kind=kind, link_number=link,
            actor=1, hits=hits,
        )  # fmt: skip


def test_u2_a_choice_changed_after_sending_leaves_rates_unchanged(sending: Sending) -> None:
    keys = sending.send(20, **YES)
    sending.send(5)
    store(batch_of(*keys[:6]))
    sending.count()
    before = report_of(sending)
    assert (before.opens.base, before.opens.people.count, before.opens.not_measured_count) == (20, 6, 5)
    with tenant(sending.organization.pk):
        opener = TrackedMessage.objects.select_related("participant").get(key=keys[0]).participant
        silent = Participant.objects.filter(messages__opens="none").first()
        for person, value in ((opener, ChoiceValue.NO), (silent, ChoiceValue.YES)):
            moment = timezone.now()
            record_choice(
                sending.organization, person, opens=value, clicks=value, source=Source.PERSON, method="test",
                happened_at=moment, now=moment, scope=sending.copies.website.consent_scope, wording="May we measure?",
            )  # fmt: skip
    tasks.forget_seen_copies()
    sending.count()
    after = report_of(sending)
    assert (after.opens, after.clicks, after.groups) == (before.opens, before.clicks, before.groups)
    assert after.opens.people.percent == 30.0


def test_u2_under_never_a_report_says_not_measured_and_keeps_what_servers_told(sending: Sending, cast: Cast) -> None:
    sending.send(12, opens_reason="website_never_tracks")
    with tenant(sending.organization.pk):
        Message.objects.filter(pk=Message.objects.earliest("pk").pk).update(news="hard_bounce")
    sending.count()
    report = report_of(sending)
    assert not report.figures.anything_measured
    assert report.figures.delivery.bounced == 1
    summary = next(table for table in launch_tables(report) if table.key == "summary")
    for row in summary.rows:
        assert row[1] == 0, "the base"
        assert set(row[3:12]) == {Unsaid.NOT_MEASURED}
    client = Client()
    client.force_login(cast.ana)
    page = client.get(reverse("admin:reporting_launch", args=[sending.launch.pk])).content.decode()
    assert page.count("not measured") >= 2
    assert '<svg class="reports-chart"' not in page


@pytest.mark.parametrize(("status", "is_said"), [("capped", True), ("sent", False)])
def test_a_launch_that_left_everybody_out_says_why(sending: Sending, cast: Cast, status: str, is_said: bool) -> None:
    sending.send(3)
    with tenant(sending.organization.pk):
        Message.objects.update(status=status)
    sending.count()
    client = Client()
    client.force_login(cast.ana)
    page = client.get(reverse("admin:reporting_launch", args=[sending.launch.pk])).content.decode()
    assert ("Left out: had as many marketing emails as a week allows" in page) is is_said
    assert ("Status</h3>" in page) is is_said


def test_u3_small_groups_are_kept_together_and_cannot_be_subtracted(sending: Sending) -> None:
    big = sending.send(15, country="FR", domain="large.example", **YES)
    small = sending.send(3, country="DE", domain="family.example", **YES)
    sending.send(12, country="IT", domain="twelve.example", **YES)
    store(batch_of(*big[:5], *small))
    sending.count()
    groups = report_of(sending).groups
    countries = {row.value: row.copies for row in groups[Dimension.COUNTRY]}
    assert countries == {"FR": 15, "": 15}, "three Germans alone could be had by subtraction"
    assert {row.value for row in groups[Dimension.DOMAIN]} == {"large.example", ""}
    opened = {row.value: row.opened.count for row in groups[Dimension.COUNTRY] if row.opened}
    assert opened == {"FR": 5, "": 3}
    tables = {table.key: table for table in group_tables(report_of(sending))}
    assert set(tables) == {"countries", "languages", "domains"}
    # More people come to be counted, and the groups stay what they were.
    sending.send(20, country="DE", domain="family.example", **YES)
    sending.count()
    assert {row.value for row in report_of(sending).groups[Dimension.COUNTRY]} == {"FR", ""}


def test_u3_a_group_with_a_small_base_shows_no_rate(sending: Sending) -> None:
    sending.send(15, country="FR", **YES)
    sending.send(14, country="DE", **YES)
    sending.send(4, country="IT", **YES)
    sending.send(8, country="IT")
    sending.count()
    rates = {row.value: row.opened for row in report_of(sending).groups[Dimension.COUNTRY]}
    assert rates["IT"] is None
    assert rates["DE"] is None, "the base of the Italians is the whole less the others"
    assert rates["FR"] is not None


def test_u3_a_campaign_adds_up_what_its_emails_show(sending: Sending, cast: Cast) -> None:
    other = make_sending(make_copies(sending.organization), "December")
    sending.send(30, **ANONYMOUS)
    other.send(30, **ANONYMOUS)
    for link, hits in ((1, 25), (2, 14), (3, 4)):
        count_anonymously(sending, link, hits)
    count_anonymously(other, 1, 7)
    with tenant(sending.organization.pk):
        several = report_several(sending.organization, launches_of(sending.organization))
    links = {link.number: link.counted for link in report_of(sending).links}
    assert links == {1: 20, 2: 10, 3: None}
    assert report_of(sending).figures.counted_clicks.hits == 30
    assert report_of(other).figures.counted_clicks.hits is None
    assert several.figures.counted_clicks.hits == 30, "not 50, or December could be had by subtraction"
    assert several.too_small == 2
    # Nobody stands behind them: they are in no rate.
    assert several.figures.clicks.base == 0


def test_u3_an_organization_may_ask_for_larger_crowds(sending: Sending, cast: Cast) -> None:
    sending.send(30, **ANONYMOUS)
    for country, many in (("FR", 40), ("DE", 15), ("IT", 12)):
        sending.send(many, country=country, **YES)
    for link, hits in ((1, 25), (2, 14)):
        count_anonymously(sending, link, hits)
    sending.count()
    assert {row.value for row in report_of(sending).groups[Dimension.COUNTRY]} >= {"BE", "FR", "DE", "IT"}
    organization = sending.organization
    organization.smallest_crowd = 20
    with tenant(organization.pk):
        organization.save()
    report = report_of(sending)
    assert {link.number: link.counted for link in report.links} == {1: 20, 2: None, 3: None}
    assert {row.value for row in report.groups[Dimension.COUNTRY]} == {"FR", "BE"}
    tables = {table.key: table for table in launch_tables(report)}
    assert [cell_words(row[-1]) for row in tables["links"].rows] == [None, "fewer than 20", "fewer than 20"]
    assert "fewer than 20 people" in tables["countries"].note
    client = Client()
    client.force_login(cast.ana)
    page = client.get(reverse("admin:reporting_launch", args=[sending.launch.pk])).content.decode()
    assert "Shown in steps of 20" in page
    # A launch that is counted from now on has no smaller groups at all.
    other = make_sending(make_copies(organization), "December")
    for country, many in (("FR", 40), ("DE", 15), ("IT", 12)):
        other.send(many, country=country, **YES)
    other.count()
    assert {row.value: row.copies for row in report_of(other).groups[Dimension.COUNTRY]} == {"FR": 40, "": 27}


def test_s9_totals_that_their_people_cannot_have_caused_are_set_aside_and_said(sending: Sending, cast: Cast) -> None:
    """Twelve copies: 240 opens at most, and 60 clicks on a link."""
    sending.send(12, **ANONYMOUS)
    count_anonymously(sending, 0, 250, kind=HitKind.OPEN)
    count_anonymously(sending, 1, 60)
    count_anonymously(sending, 2, 70)
    report = report_of(sending)
    assert (report.figures.counted_opens.hits, report.figures.counted_opens.set_aside) == (None, 250)
    assert (report.figures.counted_clicks.hits, report.figures.counted_clicks.set_aside) == (60, 70)
    assert [(link.counted, link.set_aside) for link in report.links] == [(60, False), (None, True), (None, False)]
    with tenant(sending.organization.pk):
        several = report_several(sending.organization, launches_of(sending.organization))
    assert several.figures.counted_opens.hits is None
    assert several.figures.counted_opens.set_aside == 250
    assert several.too_small == 0
    client = Client()
    client.force_login(cast.ben)
    for address in (f"/console/reports/{sending.launch.pk}/", reverse("admin:reporting_organization")):
        page = client.get(address).content.decode()
        assert "at least 250 opens that so many copies cannot have caused" in page, address
        assert "at least 70 clicks on links that so many copies cannot have caused" in page, address


@pytest.mark.parametrize("hits", [240, 249])
def test_u3_what_is_implausible_is_so_by_what_is_shown(sending: Sending, hits: int) -> None:
    sending.send(12, **ANONYMOUS)
    count_anonymously(sending, 0, hits, kind=HitKind.OPEN)
    counted = report_of(sending).figures.counted_opens
    assert (counted.hits, counted.set_aside) == (240, 0)


def test_emails_together_have_links_and_groups_of_what_each_shows(sending: Sending) -> None:
    other = make_sending(make_copies(sending.organization), "December")
    mine = sending.send(15, country="FR", **YES) + sending.send(14, country="DE", **YES)
    sending.send(4, country="IT", **YES)
    sending.send(8, country="IT")
    theirs = other.send(20, country="FR", **YES) + other.send(20, country="IT", **YES)
    store(batch_of(*mine[:5], *theirs[:3]))
    store(batch_of(*mine[:4], *theirs[:2], kind=HitKind.CLICK, link_number=2))
    sending.count()
    other.count()
    with tenant(sending.organization.pk):
        launches = launches_of(sending.organization)
        several = report_several(sending.organization, launches)
        beside = report_several(sending.organization, launches, whole=False)
    countries = {row.value: row for row in several.groups[Dimension.COUNTRY]}
    assert {value: row.copies for value, row in countries.items()} == {"FR": 35, "IT": 32, "DE": 14}
    assert countries["FR"].opened == Rate(8, 35)
    assert countries["IT"].opened == Rate(0, 20), "without November, whose four are shown nowhere (U3)"
    assert countries["DE"].opened is None
    assert [(link.url, link.emails, link.clicks) for link in several.links] == [
        ("https://bread.example/2", 2, 6),
        ("https://bread.example/1", 2, 0),
        ("https://bread.example/3", 2, 0),
    ]
    tables = {table.key: table for table in several_tables(several)}
    assert {"links", "countries", "languages", "domains"} <= set(tables)
    assert tables["countries"].rows[0][5:8] == (35, 8, 22.9), "a rate stands beside its base (U2)"
    assert (beside.links, beside.groups) == ([], {})


def ask(sending: Sending, answers: str) -> None:
    """A question of the email, answered by as many of its readers as there are letters: y or n."""
    organization, launch = sending.organization, sending.launch
    with tenant(organization.pk):
        question = Question.objects.create(
            organization=organization, email=launch.email, number=1, kind="yes_no", text="More rye?",
            options=["Yes", "No"],
        )  # fmt: skip
        messages = Message.objects.filter(mailing=launch.mailing).order_by("-pk")[: len(answers)]
        for letter, message in zip(answers, messages, strict=True):
            DeclaredReply.objects.create(
                organization=organization, message=message, question=question, mailing=launch.mailing,
                participant=message.participant, answer="yn".index(letter) + 1, answered_at=timezone.now(),
                first_answered_at=timezone.now(),
            )  # fmt: skip


def test_answers_count_for_everybody_measured_or_not(sending: Sending, cast: Cast) -> None:
    other = make_sending(make_copies(sending.organization), "December")
    sending.send(12, **YES)
    sending.send(5)
    other.send(20)
    ask(sending, "yyyyynn")
    ask(other, "nnn")
    sending.count()
    (counted,) = report_of(sending).replies
    assert [(one.label, one.people) for one in counted.answers] == [("Yes", 5), ("No", 2)]
    assert counted.asked == 17
    with tenant(sending.organization.pk):
        several = report_several(sending.organization, launches_of(sending.organization))
    assert sorted((one.asked, one.answered) for one in several.replies) == [(17, 7), (20, 3)]
    (table,) = [table for table in launch_tables(report_of(sending)) if table.key.startswith("question-")]
    assert table.rows == (("Yes", 5, 71.4), ("No", 2, 28.6))
    client = Client()
    client.force_login(cast.ana)
    page = client.get(reverse("admin:reporting_launch", args=[sending.launch.pk])).content.decode()
    assert page.count("reports-count") == 2


def test_a_version_of_a_test_leads_to_the_others(sending: Sending, cast: Cast) -> None:
    with tenant(sending.organization.pk):
        test = SplitTest.objects.create(organization=sending.organization, email=sending.launch.email)
        variant = Variant.objects.create(organization=sending.organization, test=test, letter="B")
        Launch.objects.filter(pk=sending.launch.pk).update(variant=variant)
    client = Client()
    client.force_login(cast.ana)
    page = client.get(reverse("admin:reporting_launch", args=[sending.launch.pk])).content.decode()
    assert reverse("admin:campaigns_email_split_test", args=[sending.launch.email_id, test.pk]) in page


def test_what_no_mail_server_told_is_not_zero(sending: Sending) -> None:
    sending.send(12, country="FR")
    sending.count()
    tables = {table.key: table for table in launch_tables(report_of(sending))}
    assert tables["delivery"].rows[2][1] is Unsaid.NOT_TOLD
    assert tables["countries"].rows[0][2] is Unsaid.NOT_TOLD
    with tenant(sending.organization.pk):
        Message.objects.update(news="delivered")
    sending.count()
    tables = {table.key: table for table in launch_tables(report_of(sending))}
    assert tables["delivery"].rows[2][1] == tables["countries"].rows[0][2] == 12


def test_nothing_is_extrapolated_unless_asked_for(sending: Sending, cast: Cast) -> None:
    keys = sending.send(110, **YES)
    sending.send(20)
    store(batch_of(*keys[:40]))
    sending.count()
    client = Client()
    client.force_login(cast.ana)
    address = reverse("admin:reporting_launch", args=[sending.launch.pk])
    assert "opens-estimate" not in client.get(address).content.decode()
    asked = client.get(address, {"estimate": ""}).content.decode()
    assert "opens-estimate" in asked
    assert "Nobody knows whether they did" in asked


def test_pages_take_the_same_queries_whatever_the_size(sending: Sending, cast: Cast) -> None:
    client = Client()
    client.force_login(cast.ana)
    pages = [
        reverse("admin:reporting_launch", args=[sending.launch.pk]),
        reverse("admin:reporting_organization"),
        reverse("admin:campaigns_campaign_report", args=[sending.launch.email.campaign_id]),
        reverse("admin:websites_website_report", args=[sending.copies.website.pk]),
        reverse("admin:campaigns_email_report", args=[sending.launch.email_id]),
        reverse("admin:reporting_compare") + f"?launch={sending.launch.pk}",
    ]

    def queries() -> list[int]:
        found = []
        for page in pages:
            with CaptureQueriesContext(connection) as captured:
                assert client.get(page).status_code == 200
            found.append(len(captured))
        return found

    store(batch_of(*sending.send(12, **YES)))
    ask(sending, "y")
    sending.count()
    queries()
    few = queries()
    for name in ("December", "January"):
        other = make_sending(make_copies(sending.organization), name)
        store(batch_of(*other.send(12, country="FR", **YES)))
        ask(other, "yyn")
        other.count()
    store(batch_of(*sending.send(15, country="IT", **YES), kind=HitKind.CLICK, link_number=2))
    sending.count()
    assert queries() == few
    assert max(few) <= MOST_QUERIES, few


def test_emails_are_compared_with_what_chance_may_do(sending: Sending, cast: Cast) -> None:
    other = make_sending(make_copies(sending.organization), "December")
    mine, theirs = sending.send(60, **YES), other.send(60, **YES)
    store(batch_of(*mine[:10]))
    store(batch_of(*theirs[:40]))
    sending.count()
    other.count()
    client = Client()
    client.force_login(cast.ana)
    page = client.get(
        reverse("admin:reporting_compare"), {"launch": [sending.launch.pk, other.launch.pk, "x", "999999"]}
    ).content.decode()
    assert "higher by" in page
    assert "cannot be told apart" in page, "the clicks: nobody clicked"
    assert page.count("reports-stretch") == 4


def test_tables_are_complete_and_plain(sending: Sending) -> None:
    """What an export walks: rows as wide as their headings, of plain values."""
    store(batch_of(*sending.send(12, **YES)))
    sending.count()
    with tenant(sending.organization.pk):
        several = report_several(sending.organization, launches_of(sending.organization))
    for table in launch_tables(report_of(sending)) + several_tables(several):
        for row in table.rows:
            assert len(row) == len(table.headings), table.key
            assert all(value is None or isinstance(value, str | int | float | datetime) for value in row)
