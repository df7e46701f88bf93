"""A/B tests: who gets what is drawn once and for all, what the numbers may decide, and what is refused."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from campaigns.models import DeclaredReply, Email, Launch, Question, SplitTest
from campaigns.refusals import CampaignRefused, LaunchRefused
from campaigns.replies import record_reply, save_question
from campaigns.rules import SLOTS, Arm, Standing, judge, slot_of, slots_of, wilson_interval
from campaigns.services import expand_audience
from campaigns.splitting import count_versions
from campaigns.variants import Plan, Wording, draft_of, launch_test, save_test
from campaigns.verdicts import end_without_rest, result_of, send_rest, send_rest_as_set
from common.tenancy import tenant
from consent.grounds import Decided
from consent.rules import Decision, Level, Reason
from delivery.measuring import without_totals
from delivery.models import Mailing, MailingState, Message, MessageStatus
from delivery.outbox import claim_messages
from delivery.services import begin_mailing
from participants.models import Participant
from tests.campaigns.console import address, signed_in
from tests.campaigns.world import BODY, MakePerson
from tests.support.cast import Cast
from tests.support.world import later

pytestmark = pytest.mark.django_db
TWO = [Wording(), Wording(subject="Other bread")]


# --- Plain functions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [10, 33, 50, 100])
@pytest.mark.parametrize("versions", [2, 3, 5])
def test_the_versions_share_what_is_tested_and_never_overlap(share: int, versions: int) -> None:
    ranges = [slots_of(position, versions, share) for position in range(versions)]
    taken = [slot for one in ranges for slot in one]
    assert taken == list(range(share * SLOTS // 100))
    assert max(map(len, ranges)) - min(map(len, ranges)) <= 1


def test_the_draw_is_even_and_another_one_in_each_test() -> None:
    drawn = [slot_of("a" * 32, number) for number in range(20_000)]
    quarters = Counter(slot * 4 // SLOTS for slot in drawn)
    assert all(4_700 < quarters[quarter] < 5_300 for quarter in range(4))
    assert drawn == [slot_of("a" * 32, number) for number in range(20_000)]
    assert sum(slot == slot_of("b" * 32, number) for number, slot in enumerate(drawn)) < 20


def arms(*counts: tuple[int, int]) -> list[Arm]:
    return [Arm(letter, people, successes) for letter, (people, successes) in zip("ABCDE", counts, strict=False)]


@pytest.mark.parametrize(
    ("counts", "standing", "leader"),
    [
        ([(99, 10), (500, 200)], Standing.TOO_FEW, "B"),
        ([(0, 0), (0, 0)], Standing.TOO_FEW, "A"),
        ([(500, 0), (500, 3)], Standing.TOO_RARE, "B"),
        ([(500, 500), (500, 498)], Standing.TOO_RARE, "A"),
        ([(500, 100), (500, 100)], Standing.TOO_CLOSE, "A"),
        ([(500, 100), (500, 110)], Standing.TOO_CLOSE, "B"),
        ([(500, 100), (500, 150)], Standing.DECIDED, "B"),
        # One pair of two differs at 95 %; of five versions there are ten pairs.
        ([(500, 100), (500, 128)], Standing.DECIDED, "B"),
        ([(500, 100), (500, 128), (500, 60), (500, 60), (500, 60)], Standing.TOO_CLOSE, "B"),
        # The best has to be better than the second, too.
        ([(500, 10), (500, 150), (500, 149)], Standing.TOO_CLOSE, "B"),
    ],
)
def test_s9_numbers_decide_only_what_they_can(counts: list[tuple[int, int]], standing: Standing, leader: str) -> None:
    verdict = judge(arms(*counts), confidence=95, least=100)
    assert (verdict.standing, verdict.leader) == (standing, leader)
    assert verdict.winner == (leader if standing is Standing.DECIDED else "")


def test_the_chance_is_that_of_the_two_proportion_test() -> None:
    # z = 0.05 / sqrt(0.225 * 0.775 * 2 / 500) = 1.8932
    verdict = judge(arms((500, 100), (500, 125)), confidence=95, least=100)
    assert verdict.chance == pytest.approx(0.05833, abs=1e-4)
    assert judge(arms((500, 100), (500, 125)), confidence=90, least=100).standing is Standing.DECIDED


def test_intervals_are_wilsons() -> None:
    low, high = wilson_interval(10, 100) or (0, 0)
    assert (round(low, 4), round(high, 4)) == (0.0552, 0.1744)
    assert wilson_interval(0, 0) is None
    assert wilson_interval(0, 10) == (pytest.approx(0), pytest.approx(0.2775, abs=1e-4))


# --- The split in the database ----------------------------------------------------------------------------------------


@pytest.fixture
def crowd(subscriber: MakePerson) -> list[Participant]:
    return [subscriber(f"p{number}") for number in range(24)]


def draft(cast: Cast, email: Email, now: datetime, wordings: list[Wording] = TWO, **plan: Any) -> SplitTest:
    with tenant(cast.bakery.pk):
        return save_test(cast.bakery, email, Plan(**plan), wordings, author=cast.max, now=now)


def launch(cast: Cast, email: Email, now: datetime, **options: Any) -> list[Launch]:
    with tenant(cast.bakery.pk):
        return launch_test(cast.bakery, email, author=cast.max, now=now, **options)


def got(cast: Cast, launched: Launch) -> set[int]:
    with tenant(cast.bakery.pk):
        return set(Message.objects.filter(mailing=launched.mailing_id).values_list("participant_id", flat=True))


def finish(cast: Cast, launches: list[Launch], now: datetime) -> None:
    with tenant(cast.bakery.pk):
        for one in launches:
            Message.objects.filter(mailing=one.mailing_id).update(status=MessageStatus.SENT, sent_at=now)
            Mailing.objects.filter(pk=one.mailing_id).update(state=MailingState.DONE, finished_at=now)


def test_sql_and_python_draw_the_same_and_everybody_gets_one(
    cast: Cast, email: Email, crowd: list[Participant], now: datetime
) -> None:
    test = draft(cast, email, now, share=100)
    with tenant(cast.bakery.pk):
        expected = count_versions(Participant.objects.all(), test)
    launches = launch(cast, email, now)
    people = [got(cast, one) for one in launches]
    for position, mine in enumerate(people):
        slots = slots_of(position, 2, 100)
        assert mine == {one.pk for one in crowd if slot_of(test.salt.hex, one.pk) in slots}
    assert people[0] | people[1] == {one.pk for one in crowd}
    assert not people[0] & people[1]
    assert [expected["A"], expected["B"], expected[""]] == [len(people[0]), len(people[1]), 0]


def test_a_rerun_writes_to_nobody_twice_and_the_rest_is_whoever_got_nothing(
    cast: Cast, email: Email, crowd: list[Participant], subscriber: MakePerson, now: datetime
) -> None:
    test = draft(cast, email, now, share=50)
    launches = launch(cast, email, now)
    tested = [got(cast, one) for one in launches]
    newcomer = subscriber("newcomer")
    with tenant(cast.bakery.pk):
        Mailing.objects.update(expanded_at=None)
        for one in launches:
            expand_audience(cast.bakery, one, now=now)
    again = [got(cast, one) for one in launches]
    assert [mine - {newcomer.pk} for mine in again] == tested
    with tenant(cast.bakery.pk):
        rest = send_rest(cast.bakery, test, letter="B", author=cast.ana, now=now)
        with pytest.raises(CampaignRefused):
            send_rest(cast.bakery, test, letter="A", author=cast.ana, now=now)
        assert Launch.objects.count() == 3
        everybody = list(Message.objects.values_list("participant_id", flat=True))
    assert got(cast, rest) == {one.pk for one in [*crowd, newcomer]} - again[0] - again[1]
    assert sorted(everybody) == sorted(one.pk for one in [*crowd, newcomer])
    with tenant(cast.bakery.pk):
        decided = SplitTest.objects.get()
        assert (decided.winner_letter, decided.decision, decided.decided_by) == ("B", "person", cast.ana)
        subjects = {one.mailing.snapshot.compiled["subject"] for one in Launch.objects.filter(variant__letter="B")}
    assert subjects == {"Other bread"}


def test_s9_no_totals_are_kept_of_versions(cast: Cast, email: Email, crowd: list[Participant], now: datetime) -> None:
    counted = Decision(Level.ANONYMOUS, Level.ANONYMOUS, Reason.COUNTED_WITHOUT_YES, Reason.COUNTED_AFTER_NO)
    decided = without_totals({1: Decided(counted, "BE", None)})[1].decision
    assert (decided.opens, decided.clicks) == (Level.NONE, Level.NONE)
    assert decided.opens_reason == decided.clicks_reason == Reason.VERSION_OF_A_TEST
    draft(cast, email, now, share=100)
    launches = launch(cast, email, now)
    with tenant(cast.bakery.pk):
        assert all(one.mailing.without_totals for one in launches)
        mailing = begin_mailing(cast.bakery.pk, launches[0].mailing_id, now=now)
        assert mailing is not None
        assert claim_messages(mailing, after=0, limit=100, now=now).messages


# --- What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wordings", "plan"),
    [
        ([Wording()], {}),
        ([Wording(subject=str(number)) for number in range(6)], {}),
        (TWO, {"share": 5}),
        (TWO, {"share": 101}),
        (TWO, {"least": 10}),
        (TWO, {"confidence": 50}),
        (TWO, {"wait_hours": 0}),
        (TWO, {"measure": "replies"}),
        (TWO, {"default_letter": "C"}),
    ],
)
def test_a_test_that_could_not_decide_is_not_kept(
    cast: Cast, email: Email, now: datetime, wordings: list[Wording], plan: dict[str, Any]
) -> None:
    with pytest.raises(CampaignRefused):
        draft(cast, email, now, wordings, **plan)
    with tenant(cast.bakery.pk):
        assert draft_of(cast.bakery, email) is None


def problems(cast: Cast, email: Email, now: datetime, **options: Any) -> str:
    with pytest.raises(LaunchRefused) as refused:
        launch(cast, email, now, **options)
    with tenant(cast.bakery.pk):
        assert not Launch.objects.exists()
    return " ".join(refused.value.problems)


def test_every_reason_is_said_before_anything_is_sent(
    cast: Cast, email: Email, crowd: list[Participant], now: datetime
) -> None:
    assert "has no A/B test" in problems(cast, email, now)
    draft(cast, email, now, [Wording(), Wording(subject=email.subject)])
    assert "Two versions are the same" in problems(cast, email, now)
    draft(cast, email, now, [Wording(), Wording(body="<mjml><mj-body>")])
    assert "Version B: " in problems(cast, email, now)
    draft(cast, email, now)
    assert "repeated" in problems(cast, email, now, repeats=True)
    assert "100 percent" in problems(cast, email, now, local_at=later(now, days=1).replace(tzinfo=None))
    assert "meantime" not in problems(cast, email, now, repeats=True, launches_seen=0)


# --- Judged by answers ------------------------------------------------------------------------------------------------


def even_salt(people: list[Participant]) -> UUID:
    """A draw that gives as many people to each of two versions, eleven, and leaves two for the rest."""

    def versions(salt: UUID) -> list[int]:
        slots = [slot_of(salt.hex, one.pk) for one in people]
        return [sum(slot in slots_of(position, 2, 90) for slot in slots) for position in range(2)]

    return next(salt for salt in (UUID(int=number) for number in count()) if versions(salt) == [11, 11])


@pytest.fixture
def judged(cast: Cast, email: Email, crowd: list[Participant], now: datetime) -> SplitTest:
    """Sent to as many as can decide, and answered: nobody with yes to version A, everybody to B."""
    with tenant(cast.bakery.pk):
        question = save_question(cast.bakery, email, kind="yes_no", text="More?", now=now)
        email.body = BODY.replace("</mj-text>", "{% question 1 %}</mj-text>")
        email.save()
    test = draft(cast, email, now, share=90, measure="replies", question=question)
    with tenant(cast.bakery.pk):
        SplitTest.objects.update(salt=even_salt(crowd))
    launches = launch(cast, email, now)
    with tenant(cast.bakery.pk):
        for one in launches:
            for message in Message.objects.filter(mailing=one.mailing_id):
                record_reply(cast.bakery, question, message, answer=1 if str(one.variant) == "B" else 2, now=now)
        SplitTest.objects.update(least=3)
        assert DeclaredReply.objects.exists()
        return SplitTest.objects.select_related("question", "email").get(pk=test.pk)


def test_answers_of_everybody_decide_once_all_is_sent_and_the_hours_are_over(
    cast: Cast, email: Email, judged: SplitTest, now: datetime
) -> None:
    with tenant(cast.bakery.pk):
        launches = list(Launch.objects.order_by("pk"))
        with pytest.raises(CampaignRefused, match="too early"):
            send_rest(cast.bakery, judged, author=cast.max, now=later(now, hours=5))
    finish(cast, launches, now)
    with tenant(cast.bakery.pk):
        with pytest.raises(CampaignRefused, match="too early"):
            send_rest(cast.bakery, judged, author=cast.max, now=later(now, hours=3))
        assert send_rest_as_set(cast.bakery, judged, now=later(now, hours=5)) is None, "nobody set it to go by itself"
        result = result_of(cast.bakery, judged, now=later(now, hours=5))
        assert [arm.successes for arm in result.arms] == [0, result.arms[1].people]
        assert result.verdict.winner == "B"
        rest = send_rest(cast.bakery, judged, author=cast.max, now=later(now, hours=5))
        assert str(rest.variant) == "B"
    assert len(got(cast, rest)) == 2


@pytest.mark.parametrize(("otherwise", "letter"), [("default", "A"), ("wait", "")])
def test_what_was_set_happens_where_the_numbers_do_not_decide(
    cast: Cast, judged: SplitTest, now: datetime, otherwise: str, letter: str
) -> None:
    with tenant(cast.bakery.pk):
        finish(cast, list(Launch.objects.all()), now)
        SplitTest.objects.update(least=1000, automatic=True, otherwise=otherwise)
        rest = send_rest_as_set(cast.bakery, judged, now=later(now, hours=5))
        assert (str(rest.variant) if rest else "") == letter
        assert SplitTest.objects.get().decision == ("default" if letter else "")


def test_a_test_can_end_without_the_rest(cast: Cast, judged: SplitTest, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        end_without_rest(cast.bakery, judged, author=cast.max, now=now)
        with pytest.raises(CampaignRefused):
            send_rest(cast.bakery, judged, letter="A", author=cast.max, now=now)
        assert Launch.objects.count() == 2


# --- The console ------------------------------------------------------------------------------------------------------


def test_the_page_sends_the_winner_that_it_named_or_nothing(cast: Cast, email: Email, judged: SplitTest) -> None:
    with tenant(cast.bakery.pk):
        finish(cast, list(Launch.objects.all()), timezone.now())
        SplitTest.objects.update(started_at=timezone.now() - timedelta(hours=5))
    max_, page = signed_in(cast.max), address(email, "split_test", judged.pk)
    assert 'name="winner" value="B"' in max_.get(page).content.decode()
    for winner, launches in (("A", 2), ("B", 3)):
        max_.post(page, {"winner": winner})
        with tenant(cast.bakery.pk):
            assert Launch.objects.count() == launches


def test_a_test_is_written_sent_and_decided_in_the_console(cast: Cast, email: Email, crowd: list[Participant]) -> None:
    max_, ben = signed_in(cast.max), signed_in(cast.ben)
    page = address(email, "variants")
    form = {
        "share": "50", "measure": "clicks", "confidence": "95", "least": "100", "wait_hours": "4", "otherwise": "wait",
        "default_letter": "A", "subject-A": "", "sender_name-A": "", "body-A": "", "subject-B": "Other bread",
        "sender_name-B": "", "body-B": "", "subject-C": "",
    }  # fmt: skip
    assert ben.post(page, form).status_code == 403
    assert max_.post(page, form | {"share": "5"}).status_code == 422
    assert max_.post(page, form | {"leave-C": "on"}).status_code == 302
    shown = max_.get(address(email, "send")).content.decode()
    assert 'data-version="B"' in shown
    assert 'name="as_test" checked' in shown
    assert "the numbers will probably decide nothing" in shown
    assert max_.post(address(email, "send"), {"when": "now", "launches_seen": "0", "as_test": "on"}).status_code == 302
    with tenant(cast.bakery.pk):
        test, launches = SplitTest.objects.get(), list(Launch.objects.select_related("variant").order_by("pk"))
    assert [str(one.variant) for one in launches] == ["A", "B"]
    tested = address(email, "split_test", test.pk)
    finish(cast, launches, timezone.now())
    assert "too early" in ben.get(tested).content.decode()
    reports = "&amp;".join(f"launch={one.pk}" for one in launches)
    assert f"/console/reports/compare/?{reports}" in ben.get(tested).content.decode()
    assert ben.post(tested, {"letter": "B"}).status_code == 403
    assert signed_in(cast.cleo).get(tested).status_code == 404
    assert max_.post(tested, {"letter": "Z"}).status_code == 302
    with tenant(cast.bakery.pk):
        assert Launch.objects.count() == 2
    assert max_.post(tested, {"letter": "B"}).status_code == 302
    assert "Version B was chosen by a person" in max_.get(tested).content.decode()
    assert "<mjml>" not in max_.get(page).content.decode()
    with tenant(cast.bakery.pk):
        assert Message.objects.count() == len(crowd)


def test_the_draft_goes_and_the_email_is_sent_without(
    cast: Cast, email: Email, crowd: list[Participant], now: datetime
) -> None:
    draft(cast, email, now)
    max_ = signed_in(cast.max)
    assert max_.post(address(email, "variants_drop")).status_code == 302
    assert max_.post(address(email, "send"), {"when": "now", "launches_seen": "0", "as_test": "on"}).status_code == 302
    with tenant(cast.bakery.pk):
        assert Launch.objects.get().variant is None
        assert not Question.objects.exists()
