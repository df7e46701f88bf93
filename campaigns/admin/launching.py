"""The pages before an email goes out: everything about it on one page, and its messages side by side."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Organization, Role
from accounts.signed_in import member_of, organization_of, role_of
from campaigns import services
from campaigns.admin.base import ArchivableAdmin, role_may_not_change
from campaigns.asking import count_asking
from campaigns.comparing import Example, compare, example_of, two_classes
from campaigns.forecasts import CopyClass, Forecast, forecast
from campaigns.forms import SendForm
from campaigns.lint import links_of, review_shown
from campaigns.models import Campaign, Email, EmailKind, FunctionalLinkKind, Launch, Segment, TrialGroup
from campaigns.rendering import problems_of, sender_of
from campaigns.segments import Narrowing
from campaigns.selectors import get_campaign, get_segment, get_test_group, launches_of
from campaigns.slowing import slow_down_of
from campaigns.splitting import versions_of
from campaigns.trying import latest_tests, send_test
from campaigns.variants import Outlook, draft_of, launch_test, outlook_of
from delivery.rules import needs_subscription

# Reports are an app above this one; the console's site puts them here.
REPORT = "/console/reports/{launch_id}/"
COMPARISON = "/console/reports/compare/"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows of an email: the email itself, or the email as a version of its A/B test has it."""

    email: Email
    letter: str
    # Of all versions that could be shown; none where there is no test.
    letters: list[str]

    @property
    def is_version(self) -> bool:
        return bool(self.letter)


def shown_version(organization: Organization, email: Email, letter: str) -> Shown:
    """The version of a letter, by default the email itself. A letter that no version has any more is not found."""
    versions = versions_of(email, draft_of(organization, email))
    if letter not in versions:
        raise Http404
    return Shown(versions[letter], letter, [one for one in versions if one])


class LaunchPagesAdmin(ArchivableAdmin):
    """What stands between a draft and its launch."""

    def launch_pages(self) -> list[URLPattern]:
        return [
            self.page("send", self.send_view),
            self.page("test", self.test_view),
            self.page("compare", self.compare_view),
            self.page("message", self.message_view, "message/<str:name>"),
        ]

    # --- The review, and the launch -----------------------------------------------------------------------------------

    def send_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The last look before an email goes out; a POST sends it."""
        email, organization = self.find_or_404(request, pk), organization_of(request)
        if role_may_not_change(self, request):
            raise PermissionDenied
        seen = launches_of(organization, email).count()
        form = SendForm(request.POST or None, organization=organization, initial={"launches_seen": seen})
        narrowing = _narrowing(request, organization, email)
        problems: list[str] = []
        if request.method == "POST" and form.is_valid():
            launch, problems = self._launch(request, email, form, narrowing)
            if launch is not None:
                return HttpResponseRedirect(REPORT.format(launch_id=launch.pk))
        return self._send_page(request, email, form, narrowing, problems)

    def _launch(
        self, request: HttpRequest, email: Email, form: SendForm, narrowing: Narrowing
    ) -> tuple[Launch | None, list[str]]:
        organization, chosen = organization_of(request), form.cleaned_data
        options: dict[str, Any] = {
            "author": member_of(request),
            "now": timezone.now(),
            "not_before": chosen["starts_at"],
            "launches_seen": chosen["launches_seen"],
            "local_at": chosen["local_at"],
            "narrowing": narrowing,
        }
        try:
            if chosen["as_test"] and draft_of(organization, email) is not None:
                launch = launch_test(organization, email, repeats=chosen["plan"] is not None, **options)[0]
            else:
                launch = services.launch_email(organization, email, repeat=chosen["plan"], **options)
        except services.LaunchRefused as refusal:
            return None, refusal.problems
        planned = form.cleaned_data["starts_at"] or form.cleaned_data["local_at"]
        messages.success(
            request, _("It will be sent at the time that you chose.") if planned else _("It is being sent.")
        )
        return launch, []

    def _send_page(
        self, request: HttpRequest, email: Email, form: SendForm, narrowing: Narrowing, problems: list[str]
    ) -> HttpResponse:
        organization, now = organization_of(request), timezone.now()
        checked = self.lint_context(request, email)
        if not form.is_bound:
            problems = checked["review"].problems + problems_of(
                organization, email, starts_at=now, now=now, narrowing=narrowing
            )
        predicted = forecast(organization, email, now=now, narrowing=narrowing)
        is_request = email.kind == EmailKind.CONSENT_REQUEST
        shown = shown_version(organization, email, "")
        context = {
            **self.page_context(request, email, _("Send “%(name)s”") % {"name": email.name}),
            **checked,
            **self._comparison(request, shown, predicted, narrowing, only_differences=True),
            "form": form,
            "split": split_context(organization, email, predicted, narrowing, now=now),
            # What the privacy check found stands in its own section.
            "problems": [problem for problem in problems if problem not in checked["review"].said_errors],
            "forecast": predicted,
            "asking": count_asking(organization, email, now=now, narrowing=narrowing) if is_request else None,
            "sender": sender_of(email),
            "launches": launches_of(organization, email)[:3],
            "local_now": timezone.localtime(now),
            "slow": slow_down_of(organization, email.campaign.website, email.purpose, now=now),
            **_audience_context(organization, email, narrowing),
            "tests": latest_tests(organization, email),
            "test_groups": TrialGroup.objects.filter(organization=organization),
        }
        return TemplateResponse(request, "campaigns/email_send.html", context, status=422 if form.is_bound else 200)

    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Sends a test to a test group; nothing of it is measured or reported (rule S14)."""
        email, organization = self.find_or_404(request, pk), organization_of(request)
        if role_may_not_change(self, request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        group = get_test_group(organization, _number(request.POST.get("group", "")))
        if group is None:
            raise Http404
        shown = shown_version(organization, email, request.POST.get("version", ""))
        try:
            number = send_test(organization, shown.email, group, now=timezone.now(), letter=shown.letter)
        except services.LaunchRefused as refusal:
            for problem in refusal.problems:
                messages.error(request, problem)
        else:
            sentence = ngettext(
                "A test is on its way to %(n)s address.", "Tests are on their way to %(n)s addresses.", number
            )
            messages.success(request, sentence % {"n": number})
        return HttpResponseRedirect(reverse("admin:campaigns_email_send", args=[email.pk]))

    # --- Messages side by side ----------------------------------------------------------------------------------------

    def compare_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The exact messages of people of two classes. Nothing is sent or measured (rule S14)."""
        _require_persons(request)
        email, organization = self.find_or_404(request, pk), organization_of(request)
        narrowing = _narrowing(request, organization, email)
        shown = shown_version(organization, email, request.GET.get("version", ""))
        predicted = _forecast_of(organization, shown, narrowing, now=timezone.now())
        only = request.GET.get("only") == "1"
        context = {
            **self.page_context(request, email, _("Messages of “%(name)s”, side by side") % {"name": email.name}),
            **self._comparison(request, shown, predicted, narrowing, only_differences=only),
            "classes": [one for one in predicted.classes if one.example is not None],
            "only_differences": only,
            "narrowing": narrowing,
        }
        return TemplateResponse(request, "campaigns/email_compare.html", context)

    def _comparison(
        self, request: HttpRequest, shown: Shown, predicted: Forecast, narrowing: Narrowing, *, only_differences: bool
    ) -> dict[str, Any]:
        classes = two_classes(predicted, left=request.GET.get("left", ""), right=request.GET.get("right", ""))
        left, right = (one and _example_of(organization_of(request), shown, one, now=timezone.now()) for one in classes)
        sections = []
        if left and right:
            sections = compare(left.data, right.data, only_differences=only_differences)
        chosen = [narrowing.query, urlencode({"version": shown.letter}) if shown.letter else ""]
        query = "&".join(filter(None, chosen))
        return {"left": left, "right": right, "sections": sections, "shown": shown, "query": query}

    def message_view(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """The message of one class, as a file that mail programs open."""
        _require_persons(request)
        email, organization, now = self.find_or_404(request, pk), organization_of(request), timezone.now()
        shown = shown_version(organization, email, request.GET.get("version", ""))
        predicted = _forecast_of(organization, shown, _narrowing(request, organization, email), now=now)
        classes = {one.name: one for one in predicted.classes if one.example is not None}
        example = _example_of(organization, shown, classes[name], now=now) if name in classes else None
        if example is None:
            raise Http404
        response = HttpResponse(example.data, content_type="message/rfc822")
        file_name = "-".join(filter(None, ["email", str(email.pk), shown.letter, name]))
        response["Content-Disposition"] = f'attachment; filename="{file_name}.eml"'
        response["Cache-Control"] = "no-store"
        return response

    # --- What several pages show --------------------------------------------------------------------------------------

    def lint_context(self, request: HttpRequest, email: Email) -> dict[str, Any]:
        return {
            "review": review_shown(organization_of(request), email),
            "functional_links": links_of(email),
            "link_kinds": FunctionalLinkKind.choices,
            "may_declare": not role_may_not_change(self, request) and email.archived_at is None,
        }

    def page_context(self, request: HttpRequest, email: Email, title: str) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "email": email,
            "may_change": not role_may_not_change(self, request),
        }


def _forecast_of(organization: Organization, shown: Shown, narrowing: Narrowing, *, now: datetime) -> Forecast:
    return forecast(organization, shown.email, now=now, narrowing=narrowing, is_version=shown.is_version)


def _example_of(organization: Organization, shown: Shown, copy: CopyClass, *, now: datetime) -> Example | None:
    return example_of(organization, shown.email, copy, now=now, is_version=shown.is_version)


# --- The audience -----------------------------------------------------------------------------------------------------


def _require_persons(request: HttpRequest) -> None:
    """These messages are those of real people, whom viewers do not see."""
    if role_of(request) == Role.VIEWER:
        raise PermissionDenied


def _number(text: str) -> int:
    """The number of a row; one that nothing has for anything else."""
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _narrowing(request: HttpRequest, organization: Organization, email: Email) -> Narrowing:
    """What was chosen beside the audience that the email is for. What is not the organization's is not found."""
    chosen = request.POST if request.method == "POST" else request.GET
    segment = campaign = None
    if chosen.get("segment"):
        segment = get_segment(organization, _number(chosen["segment"]))
        if segment is None:
            raise Http404
    if chosen.get("only_campaign"):
        campaign = get_campaign(organization, _number(chosen["only_campaign"]))
        if campaign is None:
            raise Http404
    return Narrowing.of(segment, campaign)


def split_context(
    organization: Organization, email: Email, predicted: Forecast, narrowing: Narrowing, *, now: datetime
) -> Outlook | None:
    """What a launch in versions would come to, where the email has a test."""
    test = draft_of(organization, email)
    return outlook_of(organization, email, test, predicted, narrowing, now=now) if test is not None else None


def _audience_context(organization: Organization, email: Email, narrowing: Narrowing) -> dict[str, Any]:
    campaigns = Campaign.objects.filter(organization=organization, archived_at__isnull=True).order_by("name")
    return {
        "narrowing": narrowing,
        "segments": Segment.objects.filter(organization=organization),
        # Whoever took part is whom other emails are for anyway.
        "campaigns": campaigns if needs_subscription(email.purpose) else [],
        "may_repeat": email.kind in (EmailKind.NEWSLETTER, EmailKind.REMINDER),
    }
