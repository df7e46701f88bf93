"""The link map: the email as sent, with the numbers of the report at its links, and nothing of it measured."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from common.tenancy import tenant
from delivery.models import ContentSnapshot
from delivery.rendering import BodyFormat, EmailSource, FooterLabels, compile_email
from tests.reporting.test_reports import ANONYMOUS, YES, Sending, count_anonymously, make_sending, report_of
from tests.support.cast import Cast
from tests.support.hits import batch_of, forget_hits, make_copies, store
from tracking.models import HitKind, TrackedContent

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])
BODY = """<html><body><p><a href="https://bread.example/1?a=1&amp;b=2">Loaf</a>
<a href="https://bread.example/2"><img src="https://pictures.example/x.png" alt="Roll"></a>
<a href="https://bread.example/3">Bun</a></p><script>alert(1)</script></body></html>"""


@pytest.fixture
def sending(transactional_db: None, cast: Cast) -> Sending:
    forget_hits()
    sending = make_sending(make_copies(cast.bakery))
    labels = FooterLabels(unsubscribe="Unsubscribe", preferences="Choice")
    compiled = compile_email(EmailSource(subject="x", body=BODY, labels=labels, body_format=BodyFormat.HTML))
    links = [{"number": link.number, "url": link.destination, "label": link.label} for link in compiled.links]
    with tenant(cast.bakery.pk):
        TrackedContent.objects.filter(pk=sending.copies.content.pk).update(links=links)
        ContentSnapshot.objects.filter(pk=sending.launch.mailing.snapshot_id).update(compiled=compiled.to_dict())
    return sending


def look(sending: Sending, cast: Cast) -> tuple[str, str, str]:
    """The page, the frame, and the frame's policy, for a viewer."""
    client = Client()
    client.force_login(cast.ben)
    page = client.get(reverse("admin:campaigns_launch_link_map", args=[sending.launch.pk]))
    frame = client.get(reverse("admin:campaigns_launch_link_map_email", args=[sending.launch.pk]))
    assert (page.status_code, frame.status_code) == (200, 200)
    assert frame["X-Frame-Options"] == "SAMEORIGIN"
    return page.content.decode(), frame.content.decode(), frame["Content-Security-Policy"]


def test_each_link_bears_the_numbers_of_the_report_and_is_not_measured(sending: Sending, cast: Cast) -> None:
    keys = sending.send(20, **YES)
    store(batch_of(*keys[:12], kind=HitKind.CLICK, link_number=1))
    store(batch_of(*keys[:3], kind=HitKind.CLICK, link_number=1))
    store(batch_of(*keys[:7], kind=HitKind.CLICK, link_number=3))
    sending.count()
    first = report_of(sending).links[0]
    assert (first.people.count, first.clicks) == (12, 15)
    page, frame, policy = look(sending, cast)
    assert "1&nbsp;·&nbsp;12 / 15</span>Loaf</a>" in frame
    assert '2&nbsp;·&nbsp;0 / 0</span><img src="https://pictures.example/x.png"' in frame
    assert "3&nbsp;·&nbsp;7 / 7</span>Bun</a>" in frame
    assert 'href="https://bread.example/1?a=1&amp;b=2"' in frame, "straight to where it leads"
    assert "/c/" not in frame
    assert "/o/" not in frame
    assert "#pli-link-map" not in frame
    assert "sandbox allow-popups" in policy
    assert "script-src" not in policy, "none, as everything that is not allowed"
    assert "default-src 'none'" in policy
    assert '<td class="pli-number">15</td>' in page
    assert page.count("<iframe") == 1


def test_u3_small_anonymous_numbers_are_on_no_badge(sending: Sending, cast: Cast) -> None:
    sending.send(30, **ANONYMOUS)
    count_anonymously(sending, 1, 25)
    count_anonymously(sending, 2, 9)
    sending.count()
    _page, frame, _policy = look(sending, cast)
    assert "1&nbsp;·&nbsp;≥ 20<" in frame
    assert "2&nbsp;·&nbsp;fewer than 10<" in frame


def test_s9_a_badge_says_where_clicks_are_set_aside(sending: Sending, cast: Cast) -> None:
    sending.send(12, **ANONYMOUS)
    count_anonymously(sending, 1, 70)
    sending.count()
    _page, frame, _policy = look(sending, cast)
    assert "1&nbsp;·&nbsp;implausible<" in frame


def test_u2_what_is_not_measured_has_no_number(sending: Sending, cast: Cast) -> None:
    sending.send(12)
    sending.count()
    page, frame, _policy = look(sending, cast)
    assert frame.count("·&nbsp;not measured<") == 3
    assert "Clicks were not measured." in page


def test_a_stranger_finds_no_map(sending: Sending, cast: Cast) -> None:
    client = Client()
    client.force_login(cast.cleo)
    for name in ("campaigns_launch_link_map", "campaigns_launch_link_map_email"):
        assert client.get(reverse(f"admin:{name}", args=[sending.launch.pk])).status_code == 404
