"""Results > Reports: everything that was sent or waits to be, newest first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display
from unfold.views import ChangeList

from accounts.admin import ChoicesDropdownFilter, TenantRelatedFilter, labelled
from accounts.models import Organization
from accounts.signed_in import organization_of
from campaigns.admin.base import PagesBelowRowsAdmin, role_may_not_change
from campaigns.admin.launching import REPORT
from campaigns.models import Launch
from campaigns.progress import progress_words
from campaigns.repeats import end_repeat
from campaigns.selectors import get_launch
from delivery.models import MailingState
from delivery.selectors import Progress, progress_counts
from delivery.services import MailingRefused, cancel_mailing, pause_mailing, resume_mailing

# Which buttons a launch has in each state, and what they say.
BUTTONS: dict[str, list[tuple[str, Any]]] = {
    MailingState.SCHEDULED: [("pause", gettext_lazy("Pause")), ("cancel", gettext_lazy("Cancel"))],
    MailingState.SENDING: [("pause", gettext_lazy("Pause")), ("cancel", gettext_lazy("Cancel"))],
    MailingState.PAUSED: [("resume", gettext_lazy("Resume")), ("cancel", gettext_lazy("Cancel"))],
}


class LaunchList(ChangeList):
    """Rows lead to their reports, and the counts of a page come in one query at most."""

    def url_for_result(self, result: Any) -> str:
        return REPORT.format(launch_id=result.pk)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        progress = progress_counts.of(organization_of(request).pk, [one.mailing_id for one in self.result_list])
        for launch in self.result_list:
            launch.progress = progress[launch.mailing_id]
            launch.may_change = not role_may_not_change(self.model_admin, request)


@admin.register(Launch)
class LaunchAdmin(PagesBelowRowsAdmin):
    list_display = ("email", "campaign", "website", "state", "sent", "starts", "buttons")
    list_filter: ClassVar[list[Any]] = [
        ("mailing__state", ChoicesDropdownFilter),
        ("email__campaign", TenantRelatedFilter),
    ]
    list_filter_submit = True
    list_select_related = ("email__campaign__website", "mailing")
    list_per_page = 50
    actions = None
    search_fields = ("email__name", "email__campaign__name")
    ordering = ("-created_at",)

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["console/campaigns-email.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        """An email is sent from its own page."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """What was sent is never rewritten; the buttons ask for the role themselves."""
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LaunchList

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A launch has no form; its page is the report."""
        if not object_id.isdecimal():
            raise Http404
        return HttpResponseRedirect(self.address_of(self.find_or_404(request, int(object_id))))

    def find(self, organization: Organization, pk: int) -> Launch | None:
        return get_launch(organization, pk)

    def address_of(self, row: Model) -> str:
        return REPORT.format(launch_id=row.pk)

    def get_urls(self) -> list[URLPattern]:
        buttons = [
            self.button("pause", self._pause),
            self.button("resume", self._resume),
            self.button("cancel", self._cancel),
            self.page("progress", self._progress),
        ]
        return buttons + super().get_urls()

    def _progress(self, request: HttpRequest, pk: int) -> HttpResponse:
        """For the script that keeps the page fresh."""
        launch = self.find_or_404(request, pk)
        response = JsonResponse(progress_words(organization_of(request), launch, now=timezone.now()))
        response["Cache-Control"] = "no-store"
        return response

    def _pause(self, request: HttpRequest, launch: Launch) -> None:
        def pause() -> str:
            reason = _("Paused by %(member)s.") % {"member": request.user}
            pause_mailing(organization_of(request), launch.mailing, now=timezone.now(), reason=reason)
            return _("Paused. What a mail server has begun to take is finished.")

        _try(request, pause)

    def _resume(self, request: HttpRequest, launch: Launch) -> None:
        def resume() -> str:
            resume_mailing(organization_of(request), launch.mailing, now=timezone.now())
            return _("Sending goes on.")

        _try(request, resume)

    def _cancel(self, request: HttpRequest, launch: Launch) -> None:
        def cancel() -> str:
            spared = cancel_mailing(organization_of(request), launch.mailing, now=timezone.now())
            # Whoever stops one round wants no other to follow it.
            if launch.repeat is not None:
                end_repeat(organization_of(request), launch.repeat, now=timezone.now())
            return ngettext(
                "Cancelled. %(spared)s copy will not be sent.", "Cancelled. %(spared)s copies will not be sent.", spared
            ) % {"spared": spared}

        _try(request, cancel)

    @display(description=gettext_lazy("campaign"), ordering="email__campaign__name")
    def campaign(self, launch: Launch) -> str:
        return launch.email.campaign.name

    @display(description=gettext_lazy("website"), ordering="email__campaign__website__name")
    def website(self, launch: Launch) -> str:
        return launch.email.campaign.website.name

    @display(
        description=gettext_lazy("state"),
        ordering="mailing__state",
    )
    @labelled({"scheduled": "info", "sending": "info", "paused": "warning", "cancelled": "default", "done": "success"})
    def state(self, launch: Launch) -> tuple[str, str]:
        return launch.mailing.state, launch.mailing.get_state_display()

    @display(description=gettext_lazy("sent"))
    def sent(self, launch: Launch) -> str:
        progress: Progress = launch.progress  # type: ignore[attr-defined]
        if launch.mailing.expanded_at is None:
            return _("not started")
        return _("%(sent)s of %(total)s") % {"sent": progress.gone_out, "total": progress.total}

    @display(description=gettext_lazy("starts"), ordering="mailing__not_before")
    def starts(self, launch: Launch) -> Any:
        return launch.mailing.not_before

    @display(description="")
    def buttons(self, launch: Launch) -> str:
        """Inside the list's own form, whose token they send along."""
        if not launch.may_change:  # type: ignore[attr-defined]
            return ""
        return render_to_string(
            "campaigns/launch_buttons.html", {"launch": launch, "buttons": BUTTONS.get(launch.mailing.state, [])}
        )


def _try(request: HttpRequest, press: Callable[[], str]) -> None:
    try:
        messages.success(request, press())
    except MailingRefused as refusal:
        messages.error(request, str(refusal))
