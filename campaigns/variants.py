"""A/B tests: kept as a draft, then launched version by version.

Each version is a launch of its own, and so is the rest (``verdicts``): report, pausing and the decision per copy are
those of any launch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Organization, User
from campaigns.forecasts import Forecast, KindForecast
from campaigns.launches import Options, begin_expansion, create_launch, first_moment, lock_email, sent_meanwhile
from campaigns.lint import Review, review_draft, review_shown
from campaigns.models import Email, EmailKind, Launch, Measure, Otherwise, Question, SplitTest, Variant
from campaigns.questions import are_asked
from campaigns.refusals import CampaignRefused, LaunchRefused
from campaigns.rendering import problems_of
from campaigns.rules import LETTERS
from campaigns.segments import EVERYBODY, Narrowing
from campaigns.selectors import audience_of, launches_of, many_people
from campaigns.splitting import VARIED, count_versions, variants_of, version_of
from consent.rules import Level
from delivery.rendering import CompiledEmail

SHARES = (10, 100)
CONFIDENCES = (90, 95, 99)
FEWEST_PEOPLE, MOST_PEOPLE = 50, 1_000_000
LONGEST_WAIT_HOURS = 14 * 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a test is carried out and decided."""

    share: int = 20
    measure: Measure = Measure.CLICKS
    question: Question | None = None
    confidence: int = 95
    least: int = 100
    wait_hours: int = 4
    automatic: bool = False
    otherwise: Otherwise = Otherwise.WAIT
    default_letter: str = "A"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What one version has instead of the email's own; empty: as in the email."""

    subject: str = ""
    sender_name: str = ""
    body: str = ""


# --- The draft --------------------------------------------------------------------------------------------------------


def draft_of(organization: Organization, email: Email) -> SplitTest | None:
    """The test with which an email would be sent next."""
    return SplitTest.objects.filter(organization=organization, email=email, started_at=None).first()


def tests_of(organization: Organization, email: Email) -> list[SplitTest]:
    """Every test that an email was sent with, newest first."""
    return list(SplitTest.objects.filter(organization=organization, email=email, started_at__isnull=False))


def get_test(organization: Organization, email: Email, test_id: int) -> SplitTest | None:
    """The one lookup door of tests."""
    found = SplitTest.objects.filter(organization=organization, email=email, pk=test_id)
    return found.select_related("email__campaign__website", "question").first()


def save_test(
    organization: Organization,
    email: Email,
    plan: Plan,
    wordings: Sequence[Wording],
    *,
    author: User | None,
    now: datetime,
) -> SplitTest:
    """Keep the draft of an email's test. Version A comes first; none but it may be the email as it is."""
    _check_plan(plan, len(wordings))
    if plan.question is not None and plan.question.email_id != email.pk:
        raise CampaignRefused(_("Choose a question of this email."))
    with transaction.atomic():
        current = lock_email(organization, email)
        test = draft_of(organization, current) or SplitTest(
            organization=organization, email=current, created_by=author, created_at=now
        )
        for name in ("share", "measure", "question", "confidence", "least", "wait_hours", "automatic", "otherwise"):
            setattr(test, name, getattr(plan, name))
        test.default_letter = plan.default_letter
        test.save()
        Variant.objects.filter(organization=organization, test=test).delete()
        Variant.objects.bulk_create(
            Variant(
                organization=organization,
                test=test,
                letter=letter,
                subject=" ".join(wording.subject.split()),
                sender_name=" ".join(wording.sender_name.split()),
                body=wording.body if wording.body.strip() else "",
            )
            for letter, wording in zip(LETTERS, wordings, strict=False)
        )
    return test


def _check_plan(plan: Plan, versions: int) -> None:
    if not 2 <= versions <= len(LETTERS):
        raise CampaignRefused(_("A test has two to five versions."))
    if not SHARES[0] <= plan.share <= SHARES[1]:
        raise CampaignRefused(_("The share lies between 10 and 100 percent."))
    if plan.confidence not in CONFIDENCES or not FEWEST_PEOPLE <= plan.least <= MOST_PEOPLE:
        raise CampaignRefused(_("Ask for at least %(fewest)s people per version.") % {"fewest": FEWEST_PEOPLE})
    if not 1 <= plan.wait_hours <= LONGEST_WAIT_HOURS:
        raise CampaignRefused(_("The verdict comes after one hour to fourteen days."))
    if plan.measure not in Measure or plan.otherwise not in Otherwise:
        raise CampaignRefused(_("Choose what decides."))
    if plan.measure == Measure.REPLIES and plan.question is None:
        raise CampaignRefused(_("Choose the question whose answers decide."))
    if plan.default_letter not in LETTERS[:versions]:
        raise CampaignRefused(_("Choose one of the versions for the case that the numbers do not decide."))


def drop_test(organization: Organization, email: Email) -> None:
    """Forget the draft of a test; the email is sent without one then."""
    with transaction.atomic():
        # A launch that runs at this moment makes the draft a test that stays.
        lock_email(organization, email)
        SplitTest.objects.filter(organization=organization, email=email, started_at=None).delete()


# --- Launching --------------------------------------------------------------------------------------------------------


def problems_of_test(
    email: Email, test: SplitTest, *, has_local_time: bool = False, repeats: bool = False
) -> list[str]:
    """Why an email cannot be sent with its test, beside what keeps a version from being sent at all."""
    problems = []
    if email.kind not in (EmailKind.NEWSLETTER, EmailKind.REMINDER):
        problems.append(_("Only newsletters and reminders can be tested in versions."))
    if repeats:
        problems.append(_("An email that is repeated cannot be tested in versions."))
    if has_local_time and test.share < SHARES[1]:
        problems.append(
            _("On each person’s own clock the versions go to everybody: choose 100 percent, or one time for all.")
        )
    versions = [version_of(email, variant) for variant in variants_of(test)]
    seen = {tuple(getattr(version, name) for name in VARIED) for version in versions}
    if len(seen) < len(versions):
        problems.append(_("Two versions are the same. Change the subject, the sender name or the body of one."))
    if test.measure == Measure.REPLIES:
        asked = test.question is not None and all(are_asked(version, [test.question]) for version in versions)
        if not asked:
            problems.append(_("Every version needs the buttons of the question whose answers decide."))
    return problems


def launch_test(
    organization: Organization,
    email: Email,
    *,
    author: User | None,
    now: datetime,
    not_before: datetime | None = None,
    launches_seen: int | None = None,
    local_at: datetime | None = None,
    narrowing: Narrowing = EVERYBODY,
    repeats: bool = False,
) -> list[Launch]:
    """Send each version to its share. Refuses with every reason at once, and then nothing was done.

    With a share below a hundred percent the others wait for ``send_rest``.
    """
    options = Options(not_before=not_before, local_at=local_at, narrowing=narrowing)
    with transaction.atomic():
        current = lock_email(organization, email)
        if launches_seen is not None and launches_seen != launches_of(organization, current).count():
            raise LaunchRefused([sent_meanwhile(organization, current)])
        test = draft_of(organization, current)
        if test is None:
            raise LaunchRefused([_("This email has no A/B test.")])
        starts_at = first_moment(organization, current, options, now=now)
        problems = problems_of(organization, current, starts_at=starts_at, now=now, narrowing=narrowing)
        problems += problems_of_test(current, test, has_local_time=local_at is not None, repeats=repeats)
        compiled, faults = _compile_versions(organization, current, test, review_draft)
        if problems or faults:
            raise LaunchRefused(problems + faults)
        launches = [
            create_launch(
                organization,
                version_of(current, variant),
                compiled[variant.letter],
                Options(not_before=not_before, local_at=local_at, narrowing=narrowing, variant=variant),
                author=author,
                starts_at=starts_at,
                now=now,
            )
            for variant in variants_of(test)
        ]
        SplitTest.objects.filter(organization=organization, pk=test.pk).update(started_at=starts_at)
        if starts_at <= now:
            for launch in launches:
                begin_expansion(organization, launch, now=now)
    return launches


def _compile_versions(
    organization: Organization, email: Email, test: SplitTest, look: Callable[[Organization, Email], Review]
) -> tuple[dict[str, CompiledEmail], list[str]]:
    compiled: dict[str, CompiledEmail] = {}
    faults = []
    for variant in variants_of(test):
        review = look(organization, version_of(email, variant))
        faults += [
            _("Version %(letter)s: %(problem)s") % {"letter": variant.letter, "problem": problem}
            for problem in review.all_problems
        ]
        if review.compiled is not None:
            compiled[variant.letter] = review.compiled
    return compiled, faults


# --- Before it is launched --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outlook:
    """Who would get which version now, and how many of them would count."""

    test: SplitTest
    # By letter; those who wait under "".
    people: dict[str, int]
    # Of the smallest version, about how many people count for what decides.
    counting: int
    problems: list[str]

    @property
    def versions(self) -> list[tuple[str, int]]:
        return [(letter, people) for letter, people in self.people.items() if letter]

    @property
    def waiting(self) -> int:
        return self.people[""]

    @property
    def is_small(self) -> bool:
        return self.counting < self.test.least


def outlook_of(
    organization: Organization,
    email: Email,
    test: SplitTest,
    predicted: Forecast,
    narrowing: Narrowing = EVERYBODY,
    *,
    now: datetime,
) -> Outlook:
    """What a launch in versions would come to. Nothing is written."""
    with many_people():
        people = count_versions(audience_of(organization, email, now=now, narrowing=narrowing), test)
    smallest = min(number for letter, number in people.items() if letter)
    kind = {Measure.OPENS: predicted.opens, Measure.CLICKS: predicted.clicks}.get(Measure(test.measure))
    counting = smallest
    if kind is not None:
        counting = smallest * _one_by_one(kind) // max(predicted.total, 1)
    _compiled, faults = _compile_versions(organization, email, test, review_shown)
    return Outlook(test, people, counting, problems_of_test(email, test) + faults)


def _one_by_one(kind: KindForecast) -> int:
    return sum(one.people for one in kind.levels if one.level == Level.INDIVIDUAL)
