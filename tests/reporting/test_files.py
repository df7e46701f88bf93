"""Reports to take away: the numbers of the page, nothing that a spreadsheet would run, and nobody's data."""

from __future__ import annotations

import csv
import io
import zipfile

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from campaigns.models import Email, Question
from common.tenancy import tenant
from participants.models import Participant
from reporting.charts import rate_chart
from reporting.printing import as_png, as_svg
from reporting.rules import Rate
from tests.reporting.test_reports import ANONYMOUS, YES, Sending, ask, count_anonymously, make_sending, report_of
from tests.support.cast import Cast
from tests.support.hits import batch_of, forget_hits, make_copies, store
from tracking.models import HitKind, TrackedContent

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])
FORMULA = '=HYPERLINK("https://evil.example","x")'


@pytest.fixture
def sending(transactional_db: None, cast: Cast) -> Sending:
    """An email whose name and first link look like formulas."""
    forget_hits()
    sending = make_sending(make_copies(cast.bakery))
    with tenant(cast.bakery.pk):
        Email.objects.update(name=FORMULA)
        links = [{"number": 1, "url": "https://bread.example/1", "label": "=1+1"}]
        TrackedContent.objects.filter(pk=sending.copies.content.pk).update(links=links)
    keys = sending.send(20, **YES)
    store(batch_of(*keys[:12]))
    store(batch_of(*keys[:11], kind=HitKind.CLICK, link_number=1))
    sending.count()
    return sending


@pytest.fixture
def client(cast: Cast) -> Client:
    """Of a viewer, who may see reports and no person."""
    client = Client()
    client.force_login(cast.ben)
    return client


def fetch(client: Client, sending: Sending, **query: str) -> bytes:
    answer = client.get(reverse("admin:campaigns_launch_report_file", args=[sending.launch.pk]), query)
    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith("attachment; filename=")
    return answer.content


def sheets(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        return {name: book.read(name).decode() for name in book.namelist()}


def test_a_table_as_csv_says_what_the_report_says_and_runs_nothing(sending: Sending, client: Client) -> None:
    text = fetch(client, sending, file="csv", table="links").decode("utf-8-sig")
    header, row = csv.reader(io.StringIO(text))
    assert row[1] == "'=1+1"
    link, cells = report_of(sending).links[0], dict(zip(header, row, strict=True))
    assert (cells["People"], cells["Clicks"]) == (str(link.people.count), str(link.clicks))
    assert link.people.count == 11
    every = sheets(fetch(client, sending, file="zip"))
    assert {"delivery.csv", "summary.csv", "links.csv", "time.csv"} <= set(every)


def test_a_workbook_holds_every_table_and_no_formula(sending: Sending, client: Client) -> None:
    parts = sheets(fetch(client, sending, file="xlsx"))
    worksheets = "".join(text for name, text in parts.items() if name.startswith("xl/worksheets/sheet"))
    assert "<f>" not in worksheets
    assert "hyperlink" not in worksheets
    assert "<t>=1+1</t>" in parts["xl/sharedStrings.xml"], "as it is written"
    assert "<v>11</v>" in worksheets, "numbers are numbers"
    for name in ("Delivery", "Opens and clicks", "Links", "Over time"):
        assert f'name="{name}"' in parts["xl/workbook.xml"]


def test_a_report_to_print_is_a_tagged_pdf(sending: Sending, client: Client) -> None:
    content = fetch(client, sending, file="pdf")
    assert content.startswith(b"%PDF-")
    assert b"/StructTreeRoot" in content


def test_charts_are_pictures(sending: Sending, client: Client) -> None:
    drawing = fetch(client, sending, file="svg", chart="time").decode()
    assert drawing.startswith("<svg")
    assert "Clicks: 11" in drawing
    assert "class=" not in drawing, "there is no stylesheet beside it"
    assert fetch(client, sending, file="png", chart="time").startswith(b"\x89PNG")
    chart = rate_chart("Opened", [("<b>", Rate(20, 40)), ("Ouverts & lus", Rate(10, 40))])
    assert chart is not None
    assert "&lt;b&gt;" in as_svg(chart)
    with translation.override("fr"):
        assert as_png(chart).startswith(b"\x89PNG")


def test_what_readers_answered_is_a_picture_too(sending: Sending, client: Client) -> None:
    ask(sending, "yyyyn")
    with tenant(sending.organization.pk):
        question = Question.objects.get()
    name = f"question-{question.pk}"
    drawing = fetch(client, sending, file="svg", chart=name).decode()
    assert "Yes · 4" in drawing
    assert "class=" not in drawing, "there is no stylesheet beside it"
    assert fetch(client, sending, file="png", chart=name).startswith(b"\x89PNG")
    assert fetch(client, sending, file="pdf").startswith(b"%PDF-")
    for page in ("reporting_launch", "campaigns_email_report"):
        row = sending.launch if page == "reporting_launch" else sending.launch.email
        shown = client.get(reverse(f"admin:{page}", args=[row.pk])).content.decode()
        assert f"file=svg&amp;chart={name}" in shown, page


def test_u3_files_hide_what_the_page_hides(sending: Sending, client: Client, cast: Cast) -> None:
    other = make_sending(make_copies(cast.bakery), "December")
    other.send(30, **ANONYMOUS)
    for link, hits in ((1, 25), (2, 14), (3, 4)):
        count_anonymously(other, link, hits)
    other.count()
    text = fetch(client, other, file="csv", table="links").decode("utf-8-sig")
    assert [row[-1] for row in csv.reader(io.StringIO(text))][1:] == ["20", "10", "fewer than 10"]
    summary = fetch(client, other, file="csv", table="summary").decode("utf-8-sig")
    assert "not measured" in summary
    assert "43" not in summary


def test_files_name_no_participant(sending: Sending, client: Client, cast: Cast) -> None:
    with tenant(cast.bakery.pk):
        addresses = list(Participant.objects.values_list("email", flat=True))
    for query in ({"file": "zip"}, {"file": "xlsx"}):
        everything = "".join(sheets(fetch(client, sending, **query)).values())
        assert not [address for address in addresses if address in everything]


def test_every_report_can_be_taken_away(sending: Sending, client: Client, cast: Cast) -> None:
    email = sending.launch.email
    addresses = {
        "reporting_organization": [],
        "campaigns_email_report": [email.pk],
        "campaigns_campaign_report": [email.campaign_id],
        "websites_website_report": [sending.copies.website.pk],
    }
    for name, arguments in addresses.items():
        page = client.get(reverse(f"admin:{name}", args=arguments)).content.decode()
        address = reverse(f"admin:{name}_file", args=arguments)
        assert f'href="{address}?file=pdf' in page, name
        answer = client.get(address, {"file": "csv", "table": "emails", "days": "30"})
        assert "'=HYPERLINK" in answer.content.decode(), name
    compared = f"?launch={sending.launch.pk}"
    page = client.get(reverse("admin:reporting_compare") + compared).content.decode()
    address = reverse("admin:reporting_compare_file")
    assert f"{address}?file=xlsx&amp;launch={sending.launch.pk}" in page
    assert client.get(f"{address}{compared}&file=png&chart=opens").content.startswith(b"\x89PNG")


def test_what_is_not_there_is_not_found(sending: Sending, client: Client, cast: Cast) -> None:
    address = reverse("admin:campaigns_launch_report_file", args=[sending.launch.pk])
    for query in ({"file": "exe"}, {"file": "csv"}, {"file": "csv", "table": "people"}, {"file": "png", "chart": "x"}):
        assert client.get(address, query).status_code == 404
    client.force_login(cast.cleo)
    assert client.get(address).status_code == 404
