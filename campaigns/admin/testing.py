"""The pages of A/B tests: the draft that the next launch uses, and each started test with its versions side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.signed_in import member_of, organization_of
from campaigns.admin.base import role_may_not_change
from campaigns.admin.launching import COMPARISON, REPORT, LaunchPagesAdmin
from campaigns.models import Email, Measure, Otherwise, SplitTest
from campaigns.questions import questions_of
from campaigns.refusals import CampaignRefused
from campaigns.rules import LETTERS, wilson_interval
from campaigns.splitting import variants_of
from campaigns.variants import CONFIDENCES, Plan, Wording, draft_of, drop_test, get_test, save_test, tests_of
from campaigns.verdicts import Result, end_without_rest, result_of, send_rest, verdict_words

_NUMBERS = ("share", "confidence", "least", "wait_hours")


class VersionPagesAdmin(LaunchPagesAdmin):
    """Beside launching: the same email in versions."""

    def version_pages(self) -> list[URLPattern]:
        return [
            self.page("variants", self.variants_view),
            self.page("variants_drop", self.drop_view, "variants/drop"),
            self.page("split_test", self.split_test_view, "variants/<int:test_id>"),
        ]

    # --- The draft ----------------------------------------------------------------------------------------------------

    def variants_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What differs between the versions, and how the test is decided; a POST keeps it."""
        email, organization = self.find_or_404(request, pk), organization_of(request)
        test = draft_of(organization, email)
        typed, problem = _stored(test), ""
        if request.method == "POST":
            if role_may_not_change(self, request):
                raise PermissionDenied
            typed = _typed(request)
            try:
                save_test(
                    organization, email, _plan(email, typed), typed["wordings"], author=member_of(request),
                    now=timezone.now(),
                )  # fmt: skip
            except CampaignRefused as refusal:
                problem = str(refusal)
            else:
                self.note(request, email, "row:change", {"fields": ["A/B test"]})
                messages.success(request, _("The A/B test is kept. The next launch of this email uses it."))
                return HttpResponseRedirect(reverse("admin:campaigns_email_variants", args=[email.pk]))
        context = {
            **self.page_context(request, email, _("A/B test of “%(name)s”") % {"name": email.name}),
            "draft": test,
            "kept": [variant.letter for variant in variants_of(test)] if test is not None else [],
            "tests": tests_of(organization, email),
            "typed": typed,
            "versions": list(zip(LETTERS, typed["wordings"], strict=False)),
            "spare": LETTERS[len(typed["wordings"]) :],
            "questions": questions_of(email),
            "measures": Measure.choices,
            "otherwises": Otherwise.choices,
            "confidences": CONFIDENCES,
            "letters": LETTERS,
            "problem": problem,
        }
        return TemplateResponse(request, "campaigns/email_variants.html", context, status=422 if problem else 200)

    def drop_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Forgets the draft."""
        email = self.find_or_404(request, pk)
        if role_may_not_change(self, request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        drop_test(organization_of(request), email)
        self.note(request, email, "row:change", {"fields": ["A/B test"]})
        messages.success(request, _("The A/B test is taken away. The email is sent without one."))
        return HttpResponseRedirect(reverse("admin:campaigns_email_variants", args=[email.pk]))

    # --- A test that was started --------------------------------------------------------------------------------------

    def split_test_view(self, request: HttpRequest, pk: int, test_id: int) -> HttpResponse:
        """The versions side by side and the verdict; a POST sends the rest, or ends the test without."""
        email, organization = self.find_or_404(request, pk), organization_of(request)
        test = get_test(organization, email, test_id)
        if test is None or test.started_at is None:
            raise Http404
        if request.method == "POST":
            if role_may_not_change(self, request):
                raise PermissionDenied
            self._decide(request, test)
            return HttpResponseRedirect(request.path)
        result = result_of(organization, test, now=timezone.now())
        context = {
            **self.page_context(request, email, _("A/B test of “%(name)s”") % {"name": email.name}),
            "test": test,
            "result": result,
            "rows": _rows(result),
            "words": verdict_words(result),
            "reports": f"{COMPARISON}?{urlencode({'launch': [launch.pk for launch in result.launches]}, doseq=True)}",
            "rest_report": REPORT.format(launch_id=result.rest.pk) if result.rest else "",
            "is_decided_by_numbers": bool(result.verdict.winner) and not result.is_early,
        }
        return TemplateResponse(request, "campaigns/split_test.html", context)

    def _decide(self, request: HttpRequest, test: SplitTest) -> None:
        organization, author, now = organization_of(request), member_of(request), timezone.now()
        letter, seen = request.POST.get("letter", ""), request.POST.get("winner", "")

        def end() -> str:
            end_without_rest(organization, test, author=author, now=now)
            return _("The test is ended. Whoever waited gets nothing.")

        def send() -> str:
            launch = send_rest(organization, test, letter=letter, seen=seen, author=author, now=now)
            return _("The rest is being sent with version %(letter)s.") % {"letter": launch.variant}

        _try(request, end if request.POST.get("do") == "end" else send)


def _try(request: HttpRequest, press: Callable[[], str]) -> None:
    try:
        messages.success(request, press())
    except CampaignRefused as refusal:
        messages.error(request, str(refusal))


def _rows(result: Result) -> list[dict[str, Any]]:
    rows = []
    for launch, arm in zip(result.launches, result.arms, strict=True):
        interval = wilson_interval(arm.successes, arm.people, confidence=result.test.confidence)
        variant = launch.variant
        rows.append(
            {
                "arm": arm,
                "subject": launch.mailing.snapshot.compiled.get("subject", ""),
                "sender_name": launch.mailing.snapshot.compiled.get("envelope", {}).get("from_name", ""),
                "own_body": bool(variant and variant.body),
                "report": REPORT.format(launch_id=launch.pk),
                "state": launch.mailing.get_state_display(),
                "percent": 100 * arm.rate if arm.people else None,
                "low": 100 * interval[0] if interval else None,
                "high": 100 * interval[1] if interval else None,
            }
        )
    return rows


def _stored(test: SplitTest | None) -> dict[str, Any]:
    """The form as it was kept; that of a new test has two versions."""
    plan: Any = test or Plan()
    typed = {name: getattr(plan, name) for name in (*_NUMBERS, "measure", "automatic", "otherwise", "default_letter")}
    wordings = [Wording(), Wording()]
    if test is not None:
        wordings = [
            Wording(subject=one.subject, sender_name=one.sender_name, body=one.body) for one in variants_of(test)
        ]
    return {**typed, "question": test.question_id if test else None, "wordings": wordings}


def _typed(request: HttpRequest) -> dict[str, Any]:
    post = request.POST
    letters = [letter for letter in LETTERS if f"subject-{letter}" in post and f"leave-{letter}" not in post]
    return {
        **{name: _number(post.get(name, "")) for name in (*_NUMBERS, "question")},
        **{name: post.get(name, "") for name in ("measure", "otherwise", "default_letter")},
        "automatic": "automatic" in post,
        "wordings": [
            Wording(
                subject=post.get(f"subject-{letter}", "")[:250],
                sender_name=post.get(f"sender_name-{letter}", "")[:120],
                body=post.get(f"body-{letter}", ""),
            )
            for letter in letters
        ],
    }


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _plan(email: Email, typed: dict[str, Any]) -> Plan:
    question = next((one for one in questions_of(email) if one.pk == typed["question"]), None)
    return Plan(
        **{name: typed[name] for name in (*_NUMBERS, "measure", "automatic", "otherwise", "default_letter")},
        question=question if typed["measure"] == Measure.REPLIES else None,
    )
