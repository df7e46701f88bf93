"""From the setting to the hit: what is decided, what the copy carries, and what is left of an open or a click."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from common.tenancy import tenant
from consent.models import Choice, LegalJustification
from consent.rules import ChoiceValue, Reason
from consent.selectors import local_day
from consent.services import (
    refresh_permissions,
    stop_measuring,
)
from delivery.models import Mailing
from tests.delivery.world import by_name
from tests.flows.decided import Flow, begin
from tests.support.cast import Cast
from tests.support.hits import fingerprint, forget_hits
from tests.support.readers import PERSON, PROGRAM
from tests.support.smtp import SmtpServer
from tests.support.world import loosen, set_tracking
from tracking.models import HitBatch, TrackedMessage
from websites.models import MeasurementPermission
from websites.rules import EmailTracking, RuleKey

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

YES, NO = ChoiceValue.YES, ChoiceValue.NO


@pytest.fixture
def server(tmp_path: Path, settings: Any) -> Iterator[SmtpServer]:
    forget_hits()
    with SmtpServer(tmp_path / "sink") as running:
        settings.SMTP_URL = running.url
        settings.BASE_URL = "https://pli.example"
        yield running


# --- Always track -----------------------------------------------------------------------------------------------------


def test_s7_always_track_measures_french_people_only_while_a_justification_names_france(
    cast: Cast, server: SmtpServer
) -> None:
    begun = timezone.now() - timedelta(days=4)
    flow = begin(cast, server, country="CH", tracking="always", at=begun)
    zoe, urs = flow.person("zoe", "FR"), flow.person("urs", "CH")

    before = flow.world.mailing([zoe, urs])
    copies = flow.send_mailing(before)
    assert not copies["zoe"].is_measured
    assert copies["urs"].is_measured
    assert set(flow.reasons(before)["zoe"]) == {Reason.COUNTRY_ASKS_FOR_YES}

    # It ends with the day before yesterday, so by the machine's clock it has ended already.
    ended = local_day(cast.bakery, timezone.now() - timedelta(days=2))
    flow.justify("FR", ends=ended)
    during = flow.world.mailing([zoe, urs])
    copies = flow.send_mailing(during)
    assert copies["zoe"].is_measured
    assert set(flow.reasons(during)["zoe"]) == {Reason.PERSON_DID_NOT_REFUSE}

    # Nothing has resolved the permissions anew: the recorder knows by itself that the justification has ended.
    nothing_new = fingerprint()
    copies["zoe"].fetch_all()
    assert fingerprint() == nothing_new
    copies["urs"].fetch_all()
    assert flow.hits() == 3

    flow.world.time = timezone.now()
    after = flow.world.mailing([zoe, urs])
    assert not flow.send_mailing(after)["zoe"].is_measured
    assert set(flow.reasons(after)["zoe"]) == {Reason.COUNTRY_ASKS_FOR_YES}
    copies["urs"].open()
    assert flow.hits() == 4


def test_s7_while_a_justification_names_france_french_people_are_measured(cast: Cast, server: SmtpServer) -> None:
    flow = begin(cast, server, country="CH", tracking="always")
    zoe = flow.person("zoe", "FR")
    old = flow.send([zoe])["zoe"]
    assert not old.is_measured
    justification = flow.justify("FR", ends=timezone.localdate() + timedelta(days=30))
    copy = flow.send([zoe])["zoe"]
    copy.fetch_all()
    assert flow.hits() == 3

    # A day later than its last one, everything is as before. The clock of the database cannot be turned, so the end is.
    with tenant(cast.bakery.pk):
        LegalJustification.objects.filter(pk=justification.pk).update(ends_on=timezone.localdate() - timedelta(days=1))
        refresh_permissions(cast.bakery, flow.world.website, now=timezone.now())
    nothing_new = fingerprint()
    copy.fetch_all()
    assert fingerprint() == nothing_new
    assert not flow.send([zoe])["zoe"].is_measured


# --- Anonymous totals -------------------------------------------------------------------------------------------------


def test_s9_anonymous_opens_in_italy_are_the_same_address_for_everybody(cast: Cast, server: SmtpServer) -> None:
    flow = begin(
        cast, server, country="IT", tracking="by_consent", opens_fallback="anonymous", clicks_fallback="anonymous"
    )
    names = [f"p{number}" for number in range(12)]
    silent = [flow.person(name, "IT", first_name="Anna") for name in names]
    refused = flow.person("refused", "IT", NO, first_name="Anna")
    said_yes = flow.person("yes", "IT", YES, first_name="Anna")
    french = flow.person("french", "FR", first_name="Anna")
    copies = flow.send([*silent, refused, said_yes, french])

    alike = [copies[name] for name in (*names, "refused")]
    assert len({copy.without_own_addresses() for copy in alike}) == 1
    assert len({copy.html for copy in alike}) == len(alike)
    assert all(len(copy.pixels) == 1 and len(copy.clicks) == 2 for copy in alike)
    assert set(copies["yes"].pixels) & set(alike[0].pixels) == set()
    assert not copies["french"].is_measured

    for number, copy in enumerate(alike):
        # Each at home: the same from one place within seconds is one request, sent twice.
        copy.open(by=PERSON | {"x-forwarded-for": f"192.0.2.{number}"})
    alike[0].click(1)
    assert flow.totals() == {(1, 0): 13, (2, 2): 1}
    assert flow.hits() == 0
    with tenant(cast.bakery.pk):
        assert list(TrackedMessage.objects.values_list("participant", flat=True)) == [said_yes.pk]


def test_s9_only_greetings_tell_the_copies_of_two_people_apart(cast: Cast, server: SmtpServer) -> None:
    flow = begin(
        cast, server, country="IT", tracking="by_consent", opens_fallback="anonymous", clicks_fallback="anonymous"
    )
    copies = flow.send([flow.person("anna", "IT"), flow.person("bruno", "IT")])
    anna, bruno = (copies[name].without_own_addresses() for name in ("anna", "bruno"))
    assert anna != bruno
    assert anna.replace("Bonjour Anna", "Bonjour Bruno") == bruno


def test_s9_in_france_nobody_is_counted_without_a_justification(cast: Cast, server: SmtpServer) -> None:
    flow = begin(
        cast, server, country="FR", tracking="by_consent", opens_fallback="anonymous", clicks_fallback="anonymous"
    )
    zoe = flow.person("zoe", "FR")
    assert not flow.send([zoe])["zoe"].is_measured

    totals = (RuleKey.ANONYMOUS_OPENS, RuleKey.ANONYMOUS_CLICKS)
    justification = flow.justify("FR", keys=totals, ends=timezone.localdate() + timedelta(days=30))
    copy = flow.send([zoe])["zoe"]
    copy.fetch_all()
    assert flow.totals() == {(1, 0): 1, (2, 1): 1, (2, 2): 1}

    with tenant(cast.bakery.pk):
        LegalJustification.objects.filter(pk=justification.pk).update(ends_on=timezone.localdate() - timedelta(days=1))
        refresh_permissions(cast.bakery, flow.world.website, now=timezone.now())
    nothing_new = fingerprint()
    copy.fetch_all()
    assert fingerprint() == nothing_new


def test_s4_an_objection_takes_the_next_copies_out_of_the_totals(cast: Cast, server: SmtpServer) -> None:
    flow = begin(cast, server, country="IT", tracking="by_consent", opens_fallback="anonymous")
    anna = flow.person("anna", "IT", NO)
    old = flow.send([anna])["anna"]
    assert len(old.pixels) == 1
    with tenant(cast.bakery.pk):
        Choice.objects.filter(participant=anna).update(anonymous_objected_at=flow.world.time)
    mailing = flow.world.mailing([anna])
    assert not flow.send_mailing(mailing)["anna"].is_measured
    assert flow.reasons(mailing)["anna"] == (Reason.OBJECTED_TO_TOTALS, Reason.PERSON_SAID_NO)
    # A copy that left before with everybody's address cannot be told apart.
    old.open()
    assert flow.totals() == {(1, 0): 1}


# --- Last open day ----------------------------------------------------------------------------------------------------


def test_s8_the_last_open_day_is_one_date_and_no_other_trace(cast: Cast, server: SmtpServer) -> None:
    flow = begin(cast, server, country="FR", tracking="by_consent", opens_fallback="last_open_day")
    zoe, noe = flow.person("zoe", "FR"), flow.person("noe", "FR", NO)
    copies = flow.send([zoe, noe])
    assert (len(copies["zoe"].pixels), copies["zoe"].clicks) == (1, [])
    assert not copies["noe"].is_measured

    untouched = fingerprint()
    copies["zoe"].open(by=PROGRAM)
    assert fingerprint() == untouched

    copies["zoe"].open()
    today = local_day(cast.bakery, timezone.now())
    assert flow.last_open_days() == {zoe.pk: today}
    after = fingerprint()
    assert {table for table, rows in after.items() if rows != untouched[table]} == {"tracking_lastopenday"}
    with tenant(cast.bakery.pk):
        assert not HitBatch.objects.exists()
    copies["zoe"].open()
    assert fingerprint() == after

    flow.withdraw(zoe)
    assert flow.last_open_days() == {}
    nothing_new = fingerprint()
    copies["zoe"].open()
    assert fingerprint() == nothing_new


def test_s8_only_mail_that_somebody_subscribed_to_keeps_a_last_open_day(cast: Cast, server: SmtpServer) -> None:
    flow = begin(cast, server, country="FR", tracking="by_consent", opens_fallback="last_open_day")
    zoe = flow.person("zoe", "FR")
    mailing = flow.world.mailing([zoe], topic=False)
    assert not flow.send_mailing(mailing)["zoe"].is_measured


def test_s8_who_no_longer_may_be_measured_leaves_the_day_of_the_last_open(cast: Cast, server: SmtpServer) -> None:
    flow = begin(cast, server, country="CH", tracking="always", opens_fallback="last_open_day")
    urs = flow.person("urs", "CH")
    copy = flow.send([urs])["urs"]
    copy.open()
    assert (flow.hits(), flow.last_open_days()) == (1, {})
    set_tracking(cast.bakery, flow.world.website, "by_consent", now=flow.world.time)
    copy.fetch_all()
    assert flow.hits() == 1
    assert list(flow.last_open_days()) == [urs.pk]


# --- Tightening and loosening -----------------------------------------------------------------------------------------


def tighten_by_setting(flow: Flow) -> None:
    set_tracking(flow.cast.bakery, flow.world.website, "never", now=flow.world.time)


def loosen_by_setting(flow: Flow) -> None:
    set_tracking(flow.cast.bakery, flow.world.website, "always", now=flow.world.time)


def tighten_by_stop(flow: Flow) -> None:
    with tenant(flow.cast.bakery.pk):
        stop_measuring(
            flow.cast.bakery, flow.world.website, author=flow.cast.max, reason="a complaint", now=flow.world.time
        )


def loosen_by_undo(flow: Flow) -> None:
    loosen(flow.cast.bakery, flow.world.website, now=flow.world.time)


@pytest.mark.parametrize(
    ("tighten", "undo"), [(tighten_by_setting, loosen_by_setting), (tighten_by_stop, loosen_by_undo)]
)
def test_h1_tighten_then_loosen_and_old_copies_stay_silent(
    cast: Cast, server: SmtpServer, tighten: Any, undo: Any
) -> None:
    flow = begin(cast, server, country="CH", tracking="always", clicks_fallback="anonymous")
    urs, ida = flow.person("urs", "CH"), flow.person("ida", "CH", NO)
    old = flow.send([urs, ida])
    for copy in old.values():
        copy.fetch_all()
    assert (flow.hits(), sum(flow.totals().values())) == (3, 2)

    flow.world.time += timedelta(minutes=1)
    tighten(flow)
    nothing_new = fingerprint()
    for copy in old.values():
        copy.fetch_all()
    assert fingerprint() == nothing_new
    assert not flow.send([urs])["urs"].is_measured

    flow.world.time += timedelta(minutes=1)
    undo(flow)
    nothing_new = fingerprint()
    for copy in old.values():
        copy.fetch_all()
    assert fingerprint() == nothing_new
    flow.send([urs])["urs"].open()
    assert flow.hits() == 4


def test_h1_a_stop_reaches_queued_messages_and_says_so(cast: Cast, server: SmtpServer) -> None:
    flow = begin(cast, server, country="CH", tracking="always")
    urs = flow.person("urs", "CH", YES)
    mailing = flow.world.mailing([urs])
    tighten_by_stop(flow)
    assert not flow.send_mailing(mailing)["urs"].is_measured
    assert set(flow.reasons(mailing)["urs"]) == {Reason.MEASURING_STOPPED}
    with tenant(cast.bakery.pk):
        rows = MeasurementPermission.objects.filter(website=flow.world.website)
        assert set(rows.values_list("opens_basis", "clicks_basis")) == {("stopped", "stopped")}


# --- Withdrawal -------------------------------------------------------------------------------------------------------


def test_c9_after_a_withdrawal_an_old_mail_writes_nothing_and_answers_the_same(cast: Cast, server: SmtpServer) -> None:
    flow = begin(cast, server, country="BE", tracking="by_consent")
    zoe = flow.person("zoe", "BE", YES)
    copy = flow.send([zoe])["zoe"]
    pixel, page = copy.open(), copy.click(0)
    assert flow.hits() == 2

    flow.withdraw(zoe)
    assert flow.hits() == 0
    nothing_new = fingerprint()
    for by in ({"accept-language": "fr"}, PROGRAM):
        again, same_page = copy.open(by=by), copy.click(0, by=by)
        assert (again.status_code, again.content) == (pixel.status_code, pixel.content)
        assert again["Cache-Control"] == pixel["Cache-Control"] == "no-store"
        assert (same_page.status_code, same_page["Location"]) == (302, page["Location"])
    assert page["Location"] == "https://bread.example/rye?a=1&b=2"
    assert fingerprint() == nothing_new


# --- Exempt purposes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("approved", "choice"), list(product([False, True], [None, NO])))
def test_s6_an_exempt_purpose_needs_approval_and_no_refusal(
    cast: Cast, server: SmtpServer, approved: bool, choice: ChoiceValue | None
) -> None:
    flow = begin(cast, server, country="FR", tracking="by_consent")
    zoe = flow.person("zoe", "FR", choice)
    mailing = flow.world.mailing([zoe], purpose="authentication", topic=False)
    with tenant(cast.bakery.pk):
        Mailing.objects.filter(pk=mailing.pk).update(exempt_approved=approved)
    copy = flow.send_mailing(mailing)["zoe"]
    assert copy.is_measured is (approved and choice is None)
    copy.fetch_all()
    assert flow.hits() == (3 if copy.is_measured else 0)
    with tenant(cast.bakery.pk):
        assert set(TrackedMessage.objects.values_list("exempt_purpose", flat=True)) <= {"authentication"}


def test_the_mailbox_got_what_the_rows_say(cast: Cast, server: SmtpServer) -> None:
    flow = begin(cast, server, country="BE", tracking=EmailTracking.BY_CONSENT)
    mailing = flow.world.mailing([flow.person("zoe", "BE", YES), flow.person("max", "BE")])
    copies = flow.send_mailing(mailing)
    rows = flow.world.rows(mailing)
    for name in by_name(server):
        assert copies[name].is_measured is (rows[name].opens != "none")
