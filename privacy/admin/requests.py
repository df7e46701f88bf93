"""Privacy > Requests of persons: the register with its clock, and what is done to answer it (rules D2, D4)."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import RadioFilter
from unfold.decorators import display

from accounts import audit
from accounts.admin import TenantAdmin
from accounts.signed_in import member_of, organization_of
from consent.selectors import local_day
from privacy.admin.base import RESPONSIBLE, DutyPages, back_to, person_or_404, say
from privacy.admin.departing import DeparturePages
from privacy.admin.forms import AnswerForm, EraseForm, ExtendForm, RequestForm
from privacy.admin.keeping import KeepingPages
from privacy.admin.proofs import ProofPages
from privacy.models import PersonRequest, RequestChannel, RequestKind, RequestState
from privacy.rules import is_due_soon, is_overdue
from privacy.services.erasure import erase_participant
from privacy.services.exports import export_person
from privacy.services.requests import RequestRefused, answer_request, extend_request, open_request


class StateFilter(RadioFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(RequestState.choices)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(state=self.value()) if self.value() else queryset


@admin.register(PersonRequest)
class PersonRequestAdmin(KeepingPages, ProofPages, DeparturePages, DutyPages, TenantAdmin):
    readers: ClassVar[frozenset[str]] = RESPONSIBLE
    editors: ClassVar[frozenset[str]] = RESPONSIBLE
    list_display = ("received", "shown_kind", "clock", "channel", "answered_by")
    list_filter = (StateFilter,)
    list_filter_submit = True
    list_per_page = 50
    ordering = ("-received_on", "-id")
    list_select_related = ("answered_by", "organization")
    actions = None

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["console/websites.css", "console/intake.css"]}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Looked at on its own page; nothing of it is rewritten."""
        return False

    @display(description=gettext_lazy("received"), ordering="received_on")
    def received(self, request: PersonRequest) -> date:
        return request.received_on

    @display(description=gettext_lazy("request"))
    def shown_kind(self, request: PersonRequest) -> str:
        return request.get_kind_display()

    @display(description=gettext_lazy("to be answered by"), ordering="due_on")
    def clock(self, request: PersonRequest) -> SafeString | str:
        return clock_of(request, today=local_day(request.organization, timezone.now()))

    def get_urls(self) -> list[URLPattern]:
        own = [
            self.duty("<int:pk>/extend/", self.extend_view, "extend"),
            self.duty("<int:pk>/answer/", self.answer_view, "answer"),
            self.duty("person/<int:person>/export/", self.export_view, "export"),
            self.duty("person/<int:person>/erase/", self.erase_view, "erase"),
        ]
        return own + self.duty_urls() + super().get_urls()

    def duty_urls(self) -> list[URLPattern]:
        return [*self.keeping_urls(), *self.proof_urls(), *self.departure_urls()]

    # --- The register -------------------------------------------------------------------------------------------------

    def find(self, request: HttpRequest, pk: int | str) -> PersonRequest:
        found = PersonRequest.objects.filter(organization=organization_of(request), pk=pk)
        one = found.select_related("organization", "participant", "answered_by", "extended_by").first()
        if one is None:
            raise Http404
        return one

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Note a request that did not come by the person's own page."""
        if not self.has_add_permission(request):
            return super().add_view(request, form_url, extra_context)
        organization, now = organization_of(request), timezone.now()
        initial = {"received_on": local_day(organization, now)}
        form = RequestForm(request.POST or None, organization=organization, initial=initial)
        if request.method == "POST" and form.is_valid():
            made = open_request(
                organization,
                kind=form.cleaned_data["kind"],
                channel=RequestChannel(form.cleaned_data["channel"]),
                participant=form.person,
                details=form.cleaned_data["details"],
                received_at=_beginning(form.cleaned_data["received_on"], organization.timezone),
                actor=member_of(request),
                now=now,
            )
            return back_to("privacy_personrequest_change", made.pk)
        back = reverse("admin:privacy_personrequest_changelist")
        return self.form_page(request, _("Note a request"), form, button=_("Note it"), back=back)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of one request."""
        if not self.has_view_permission(request) or not object_id.isdecimal():
            raise Http404
        one = self.find(request, object_id)
        today = local_day(one.organization, timezone.now())
        return self.page(
            request,
            "request.html",
            _("%(kind)s, received on %(day)s") % {"kind": one.get_kind_display(), "day": date_format(one.received_on)},
            request_of_person=one,
            clock=clock_of(one, today=today),
            extend_form=ExtendForm(),
            answer_form=AnswerForm(),
            may_extend=one.extended_at is None and today <= one.due_on,
            is_open=one.state == RequestState.OPEN,
            offers_export=one.kind in (RequestKind.ACCESS, RequestKind.PORTABILITY),
            offers_erasure=one.kind == RequestKind.ERASURE,
        )

    def extend_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        one, form = self.find(request, pk), ExtendForm(request.POST)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        reason = form.cleaned_data["reason"] if form.is_valid() else ""
        say(
            request,
            lambda: extend_request(one.organization, one, reason=reason, actor=member_of(request), now=timezone.now()),
            _("The request has two months more."),
            RequestRefused,
        )
        return back_to("privacy_personrequest_change", pk)

    def answer_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        one, form = self.find(request, pk), AnswerForm(request.POST)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        given = form.cleaned_data if form.is_valid() else {}
        say(
            request,
            lambda: answer_request(
                one.organization,
                one,
                answer=given.get("answer", ""),
                evidence=given.get("evidence", ""),
                declined=given.get("declined", False),
                actor=member_of(request),
                now=timezone.now(),
            ),
            _("The request is closed."),
            RequestRefused,
        )
        return back_to("privacy_personrequest_change", pk)

    # --- A person -----------------------------------------------------------------------------------------------------

    def export_view(self, request: HttpRequest, person: int) -> HttpResponse:
        """Everything about a person as a file. By POST, since it is noted who took it."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        one = person_or_404(request, person)
        organization, now = organization_of(request), timezone.now()
        response = HttpResponse(export_person(organization, one, now=now), content_type="application/zip")
        named = f"participant {one.pk}"
        audit.record(organization, actor=member_of(request), action="person:export", target=named, now=now)
        response["Content-Disposition"] = f'attachment; filename="person-{one.pk}.zip"'
        response["Cache-Control"] = "no-store"
        return response

    def erase_view(self, request: HttpRequest, person: int) -> HttpResponse:
        one = person_or_404(request, person)
        organization = organization_of(request)
        form = EraseForm(request.POST or None, person=one)
        if request.method == "POST" and form.is_valid():
            done = erase_participant(
                organization, one, actor=member_of(request), reason=form.cleaned_data["reason"], now=timezone.now()
            )
            messages.success(request, _("The person was erased."))
            return back_to("privacy_personrequest_change", done.pk)
        return self.form_page(
            request,
            _("Erase %(person)s") % {"person": one.email},
            form,
            button=_("Erase for good"),
            back=reverse("admin:participants_participant_change", args=[one.pk]),
            note=_(
                "Everything about this person is removed: data, choices, subscriptions, participations, what was"
                " recorded, and their address in mail and imports. Counts in reports stay and name nobody. The address"
                " stays out as a hash, and the proof of past consent is sealed. There is no way back."
            ),
        )


def clock_of(request: PersonRequest, *, today: date) -> SafeString | str:
    """How a request stands: its last day and how late it is, or how it ended."""
    if request.state != RequestState.OPEN:
        return request.get_state_display()
    day = date_format(request.due_on)
    if is_overdue(request.due_on, today):
        return format_html('{} <span class="pli-pill pli-always">{}</span>', day, _("overdue"))
    if is_due_soon(request.due_on, today):
        return format_html('{} <span class="pli-pill pli-always">{}</span>', day, _("soon"))
    return day


def _beginning(day: date, zone: str) -> datetime:
    return datetime.combine(day, time.min, tzinfo=ZoneInfo(zone))
