"""The privacy lint where marketers meet it: on the form, in the preview, and at the launch."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import pytest

from campaigns.lint import review_draft
from campaigns.models import Email, FunctionalLink, Launch
from campaigns.services import LaunchRefused, declare_functional_link, duplicate_email, launch_email
from common.tenancy import tenant
from delivery.lint import Code
from participants.models import Participant
from tests.campaigns.console import address, said, signed_in
from tests.campaigns.test_console import email_form
from tests.campaigns.world import BODY, MakePerson
from tests.support.cast import Cast

pytestmark = pytest.mark.django_db

PIXEL = '<mj-image src="https://x.example/o.php?c=1" width="1px" height="1px" alt="" />'
VOUCHER = "https://shop.example.org/voucher?code={{ attributes.voucher }}"
WITH_PIXEL = BODY.replace("</mj-column>", f"\n{PIXEL}</mj-column>")
WITH_VOUCHER = BODY.replace("Hello", f'<a href="{VOUCHER}">Yours</a> Hello')


def change(cast: Cast, email: Email, **fields: Any) -> Email:
    with tenant(cast.bakery.pk):
        Email.objects.filter(pk=email.pk).update(**fields)
        return Email.objects.select_related("campaign__website", "topic").get(pk=email.pk)


def codes(cast: Cast, email: Email) -> list[Code]:
    with tenant(cast.bakery.pk):
        return [finding.code for finding in review_draft(cast.bakery, email).findings]


def test_s1_an_error_blocks_the_launch_with_its_place_and_a_cure(
    cast: Cast, email: Email, subscriber: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    changed = change(cast, email, body=WITH_PIXEL)
    with tenant(cast.bakery.pk), pytest.raises(LaunchRefused) as refusal:
        launch_email(cast.bakery, changed, author=cast.max, now=now)
    (problem,) = refusal.value.problems
    assert problem.startswith("Body: line 2, column 1: A hidden or one-pixel image")
    assert "Take it out." in problem
    with tenant(cast.bakery.pk):
        assert not Launch.objects.exists()


def test_a_remark_blocks_nothing(cast: Cast, email: Email, subscriber: MakePerson, now: datetime) -> None:
    subscriber("sue")
    changed = change(cast, email, body=WITH_PIXEL.replace("o.php?c=1", "spacer.gif"))
    assert codes(cast, changed) == [Code.SPACER]
    with tenant(cast.bakery.pk):
        assert launch_email(cast.bakery, changed, author=cast.max, now=now).pk


def test_h3_a_hash_of_an_address_that_somebody_imported_is_found_among_real_people(
    cast: Cast, email: Email, subscriber: MakePerson, now: datetime
) -> None:
    person = subscriber("sue")
    changed = change(cast, email, body=WITH_VOUCHER)
    with tenant(cast.bakery.pk):
        declare_functional_link(
            cast.bakery, changed, address=VOUCHER, kind="voucher", reason="One each.", author=cast.max, now=now
        )
    assert codes(cast, changed) == []
    digest = hashlib.sha256(b"sue@mail.example.org").hexdigest()
    with tenant(cast.bakery.pk):
        Participant.objects.filter(pk=person.pk).update(attributes={"voucher": digest})
    assert codes(cast, changed) == [Code.ADDRESS_IN_URL]


def test_the_form_shows_all_problems_and_saves_a_draft_that_only_the_lint_dislikes(
    cast: Cast, email: Email, campaign: Any, topic: Any
) -> None:
    client = signed_in(cast.max)
    form = email_form(campaign, topic, body=WITH_PIXEL)
    assert client.post(address(email), form).status_code == 302
    page = client.get(address(email)).content.decode()
    assert 'data-finding="foreign_pixel"' in page
    assert "Body, line 2, column 1:" in page
    broken = client.post(address(email), {**form, "body": f"<script></script>{WITH_PIXEL}{{{{ nme }}}}<mj-foo>"})
    text = broken.content.decode()
    assert "There is no variable “nme”" in text
    assert "There is no MJML tag &lt;mj-foo&gt;" in text
    assert 'data-finding="script"' in text
    assert 'data-finding="foreign_pixel"' in text


def test_a_link_is_declared_functional_on_the_page_and_taken_back(cast: Cast, email: Email) -> None:
    changed = change(cast, email, body=WITH_VOUCHER)
    client = signed_in(cast.max)
    page = client.get(address(email)).content.decode()
    assert 'data-finding="attribute_in_url"' in page
    assert 'name="address" value="https://shop.example.org/voucher?code={{ attributes.voucher }}"' in page
    refused = client.post(address(email, "declare"), {"address": VOUCHER, "kind": "voucher", "reason": " "})
    assert "Say why" in said(refused)
    refused = client.post(address(email, "declare"), {"address": VOUCHER, "kind": "other?", "reason": "x"})
    assert "Say what the link is." in said(refused)
    client.post(address(email, "declare"), {"address": VOUCHER, "kind": "voucher", "reason": "One each."})
    assert codes(cast, changed) == []
    page = client.get(address(email)).content.decode()
    assert "One each." in page
    with tenant(cast.bakery.pk):
        link = FunctionalLink.objects.get()
        assert (link.declared_by, link.kind) == (cast.max, "voucher")
    assert client.get(address(email, "withdraw", link.pk)).status_code == 405
    client.post(address(email, "withdraw", link.pk))
    assert codes(cast, changed) == [Code.ATTRIBUTE_IN_URL]


def test_viewers_declare_nothing(cast: Cast, email: Email) -> None:
    change(cast, email, body=WITH_VOUCHER)
    client = signed_in(cast.ben)
    assert "Declare it as a functional link" not in client.get(address(email)).content.decode()
    answer = client.post(address(email, "declare"), {"address": VOUCHER, "kind": "voucher", "reason": "x"})
    assert answer.status_code == 403


def test_a_copy_of_an_email_keeps_its_declarations(cast: Cast, email: Email, now: datetime) -> None:
    changed = change(cast, email, body=WITH_VOUCHER)
    with tenant(cast.bakery.pk):
        declare_functional_link(
            cast.bakery, changed, address=VOUCHER, kind="voucher", reason="One each.", author=cast.max, now=now
        )
        copy = duplicate_email(cast.bakery, changed, now=now)
        assert [link.reason for link in copy.functional_links.all()] == ["One each."]
        assert changed.functional_links.count() == 1


def test_an_address_in_a_link_is_said_once_with_its_place(cast: Cast, email: Email) -> None:
    changed = change(cast, email, body=BODY.replace("rye", "rye?e={{ email }}"))
    with tenant(cast.bakery.pk):
        review = review_draft(cast.bakery, changed)
    assert review.compiled is None
    assert [problem[:20] for problem in review.all_problems] == ["Body: line 1, column"]
