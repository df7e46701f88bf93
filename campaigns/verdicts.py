"""The verdict of an A/B test, and what follows: the rest gets the winner, the version that was set, or one by choice.

Whoever asks first locks the test; the rest is whoever got no version, so nobody gets two however often it is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Organization, User
from campaigns.launches import begin_expansion, new_mailing, same_content
from campaigns.models import Decision, Launch, Otherwise, SplitTest
from campaigns.refusals import CampaignRefused
from campaigns.rendering import standing_problems
from campaigns.rules import Arm, Standing, Verdict, judge
from campaigns.selectors import UNFINISHED
from campaigns.splitting import version_of
from campaigns.variant_counts import count_arms, launches_of_test
from delivery.alerts import AlertKind, about, alert_owners, in_their_language

EVERYBODY_AT_ONCE = 100
TOLD_ONCE_PER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Result:
    """How a test stands: its versions, what the numbers say of them, and what is still to come."""

    test: SplitTest
    launches: list[Launch]
    arms: list[Arm]
    verdict: Verdict
    due_at: datetime
    # Versions still have copies that have not left, or the hours are not over: it is too early for a verdict.
    is_early: bool
    rest: Launch | None

    @property
    def waits_for_rest(self) -> bool:
        return self.test.share < EVERYBODY_AT_ONCE and self.test.decided_at is None


def result_of(organization: Organization, test: SplitTest, *, now: datetime) -> Result:
    """The numbers of a started test; those of a decided one as they were when it was decided."""
    launches = launches_of_test(organization, test)
    if test.decided_at is not None and test.figures:
        arms = [Arm(*row) for row in test.figures]
    else:
        arms = count_arms(organization, test, launches, now=now)
    due_at = (test.started_at or now) + timedelta(hours=test.wait_hours)
    is_early = test.decided_at is None and (
        now < due_at or any(launch.mailing.state in UNFINISHED for launch in launches)
    )
    rest = Launch.objects.filter(organization=organization, variant__test=test, sends_rest=True).first()
    return Result(
        test, launches, arms, judge(arms, confidence=test.confidence, least=test.least), due_at, is_early, rest
    )


def send_rest(
    organization: Organization,
    test: SplitTest,
    *,
    letter: str = "",
    seen: str | None = None,
    author: User | None,
    now: datetime,
) -> Launch:
    """Send the rest with the winner, or with the version that a person chose instead of the numbers (``letter``).

    Refuses where the numbers decide nothing and nobody chose, or where another version wins by now than the one that
    whoever asks has ``seen`` win. Asked twice, the rest is sent once.
    """
    with transaction.atomic():
        current = _locked(organization, test)
        result = result_of(organization, current, now=now)
        winner = result.verdict.winner
        if not letter and (result.is_early or not winner or seen not in (None, winner)):
            raise CampaignRefused(verdict_words(result))
        decision = Decision.PERSON if letter else Decision.NUMBERS
        return _send_rest(organization, result, letter or winner, decision, author=author, now=now)


def send_rest_as_set(organization: Organization, test: SplitTest, *, now: datetime) -> Launch | None:
    """What the beat does once the hours are over: the winner, the version for the other case, or nothing (None)."""
    with transaction.atomic():
        current = _locked(organization, test)
        result = result_of(organization, current, now=now)
        if result.is_early:
            return None
        decided = result.verdict.standing is Standing.DECIDED
        if not result.waits_for_rest:
            _close(result, result.verdict.winner, Decision.NUMBERS, author=None, now=now)
            return None
        if current.automatic and decided:
            return _send_rest(organization, result, result.verdict.winner, Decision.NUMBERS, author=None, now=now)
        if current.automatic and current.otherwise == Otherwise.DEFAULT:
            return _send_rest(organization, result, current.default_letter, Decision.DEFAULT, author=None, now=now)
        return None


def follow_up(organization: Organization, test: SplitTest, *, now: datetime) -> Launch | None:
    """What the beat does: ``send_rest_as_set``, and where a person has to decide, the owners are told, once."""
    try:
        if launch := send_rest_as_set(organization, test, now=now):
            return launch
        words = ""
    except CampaignRefused as refusal:
        words = str(refusal)
    current = SplitTest.objects.select_related("email").get(organization=organization, pk=test.pk)
    result = result_of(organization, current, now=now)
    if result.is_early or not result.waits_for_rest or current.told_at is not None:
        return None
    with in_their_language(organization):
        named = {"email": current.email.name, "words": words or verdict_words(result)}
        alert_owners(
            organization,
            kind=about(AlertKind.TEST, current.pk),
            subject=_("A/B test waits for you: %(email)s") % named,
            text=_("%(email)s\n\n%(words)s\n\nThe rest of the audience waits until somebody decides.") % named,
            now=now,
            once_per=TOLD_ONCE_PER,
        )
    SplitTest.objects.filter(organization=organization, pk=current.pk).update(told_at=now)
    return None


def end_without_rest(organization: Organization, test: SplitTest, *, author: User | None, now: datetime) -> None:
    """Close a test: whoever waits for it gets nothing."""
    with transaction.atomic():
        current = _locked(organization, test)
        _close(result_of(organization, current, now=now), "", Decision.PERSON, author=author, now=now)
        named = f"email {current.email_id}"
        audit.record(organization, actor=author, action="launch:test:end", target=named, now=now)


def _locked(organization: Organization, test: SplitTest) -> SplitTest:
    """The test as it stands; whoever wants to decide it too waits, and finds it decided."""
    tests = SplitTest.objects.select_for_update(of=("self",)).select_related("email__campaign__website", "email__topic")
    current = tests.get(organization=organization, pk=test.pk)
    if current.started_at is None or current.decided_at is not None:
        raise CampaignRefused(_("This test is over already."))
    return current


def _send_rest(
    organization: Organization,
    result: Result,
    letter: str,
    decision: Decision,
    *,
    author: User | None,
    now: datetime,
) -> Launch:
    test = result.test
    chosen = next((launch for launch in result.launches if str(launch.variant) == letter), None)
    if chosen is None or not result.waits_for_rest:
        raise CampaignRefused(_("There is no such version, or nobody waits for it."))
    if any(launch.mailing.expanded_at is None and launch.mailing.state in UNFINISHED for launch in result.launches):
        raise CampaignRefused(_("A version has not started yet. Wait until it has, or cancel it."))
    email = version_of(test.email, chosen.variant) if chosen.variant else test.email
    if problems := standing_problems(organization, email, starts_at=now, now=now):
        raise CampaignRefused(" ".join(problems))
    snapshot = same_content(organization, chosen.mailing.snapshot, now=now)
    launch = Launch.objects.create(
        organization=organization,
        email=test.email,
        mailing=new_mailing(organization, email, snapshot, starts_at=now, now=now),
        launched_by=author,
        created_at=now,
        audience=chosen.audience,
        segment_id=chosen.segment_id,
        variant=chosen.variant,
        sends_rest=True,
    )
    _close(result, letter, decision, author=author, now=now)
    audit.record(organization, actor=author, action="launch:test:rest", target=f"email {test.email_id}", now=now)
    begin_expansion(organization, launch, now=now)
    return launch


def _close(result: Result, letter: str, decision: Decision, *, author: User | None, now: datetime) -> None:
    """The numbers are frozen: what comes later, or is deleted later, changes no verdict."""
    test = result.test
    test.decided_at, test.decided_by, test.decision, test.winner_letter = now, author, decision, letter
    test.figures = [[arm.letter, arm.people, arm.successes] for arm in result.arms]
    test.save(update_fields=["decided_at", "decided_by", "decision", "winner_letter", "figures"])


def verdict_words(result: Result) -> str:
    """What the numbers say, in a sentence."""
    test, verdict = result.test, result.verdict
    if result.is_early:
        return _("It is too early for a verdict: copies are still leaving, or the hours of the test are not over.")
    if verdict.standing is Standing.TOO_FEW:
        sentence = _("The numbers decide nothing: a version has fewer than %(least)s people who count.")
    elif verdict.standing is Standing.TOO_RARE:
        sentence = _("The numbers decide nothing: what is counted came too seldom, or nearly always, to be compared.")
    elif verdict.standing is Standing.TOO_CLOSE:
        sentence = _(
            "The numbers decide nothing: version %(letter)s is ahead, but in %(chance)s %% of tests chance alone does"
            " that, and %(confidence)s %% confidence was asked for."
        )
    else:
        sentence = _(
            "Version %(letter)s wins: chance alone does that in %(chance)s %% of tests at most, and %(confidence)s %%"
            " confidence was asked for."
        )
    return sentence % {
        "letter": verdict.leader,
        "least": test.least,
        "confidence": test.confidence,
        "chance": f"{100 * (verdict.chance or 0):.1f}",
    }
