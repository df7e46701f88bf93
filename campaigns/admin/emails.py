"""Publishing > Emails: the form, the preview, and the page that sends."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, ForeignKey, Model, OuterRef, QuerySet
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.clickjacking import xframe_options_sameorigin
from unfold.decorators import display

from accounts.admin import ChoicesDropdownFilter, TenantRelatedFilter, labelled
from accounts.models import Organization, Role
from accounts.signed_in import member_of, organization_of, role_of
from campaigns import services
from campaigns.admin.base import StatusFilter, role_may_not_change
from campaigns.admin.exempting import ExemptPagesAdmin
from campaigns.admin.launching import shown_version
from campaigns.admin.one_person import OnePersonPagesAdmin, one_person_context
from campaigns.admin.replying import QuestionPagesAdmin
from campaigns.admin.testing import VersionPagesAdmin
from campaigns.forms import EmailForm
from campaigns.models import Campaign, Email, Launch
from campaigns.previews import copy_html, example_pixel, person_to_preview, render_preview
from campaigns.selectors import get_email, launches_of, people_to_preview
from common.policies import email_policy, with_policy
from consent.models import Topic
from delivery.models import MailingState
from participants.models import Participant

LAUNCHES = Launch.objects.filter(email=OuterRef("pk"))
SENT = Exists(LAUNCHES.filter(mailing__expanded_at__isnull=False))
PLANNED = Exists(LAUNCHES.filter(mailing__expanded_at__isnull=True).exclude(mailing__state=MailingState.CANCELLED))
STATUS_LABELS = {
    "draft": gettext_lazy("Draft"),
    "planned": gettext_lazy("Planned"),
    "sent": gettext_lazy("Sent"),
    "archived": gettext_lazy("Archived"),
}


class EmailStatusFilter(StatusFilter):
    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("draft", gettext_lazy("Draft")),
            ("planned", gettext_lazy("Planned")),
            ("sent", gettext_lazy("Sent")),
            ("archived", gettext_lazy("Archived")),
        ]

    def narrow(self, queryset: QuerySet[Email], status: str) -> QuerySet[Email]:
        if status == "sent":
            return queryset.filter(SENT)
        if status == "planned":
            return queryset.filter(PLANNED, ~SENT)
        return queryset.filter(~PLANNED, ~SENT) if status == "draft" else queryset


@admin.register(Email)
class EmailAdmin(ExemptPagesAdmin, OnePersonPagesAdmin, QuestionPagesAdmin, VersionPagesAdmin):
    form = EmailForm
    fieldsets = (
        (None, {"fields": ("campaign", "name", ("kind", "purpose"), "topic")}),
        (
            gettext_lazy("What people see in their inbox"),
            {"fields": ("subject", "preheader", "sender_name", "reply_to")},
        ),
        (gettext_lazy("Content"), {"fields": ("body_format", "body", "text", "add_utm")}),
    )
    list_display = ("name", "campaign", "website", "kind", "subject", "status", "updated_at")
    list_filter: ClassVar[list[Any]] = [
        EmailStatusFilter,
        ("campaign", TenantRelatedFilter),
        ("kind", ChoicesDropdownFilter),
    ]
    list_select_related = ("campaign__website",)
    search_fields = ("name", "subject")
    change_form_outer_before_template = "campaigns/email_toolbar.html"
    warn_unsaved_form = True

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["console/campaigns-email.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Email]:
        return super().get_queryset(request).annotate(was_sent=SENT, is_planned=PLANNED)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.organization = organization_of(request)
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Reports tell of the campaign that an email was sent for."""
        if isinstance(obj, Email) and launches_of(organization_of(request), obj).exists():
            return ("campaign",)
        return ()

    def formfield_for_foreignkey(self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "campaign":
            kwargs["queryset"] = Campaign.objects.filter(archived_at__isnull=True).select_related("website")
        elif db_field.name == "topic":
            kwargs["queryset"] = Topic.objects.select_related("website").order_by("website__name", "name")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @display(description=gettext_lazy("website"), ordering="campaign__website__name")
    def website(self, email: Email) -> str:
        return email.campaign.website.name

    @display(description=gettext_lazy("status"))
    @labelled({"draft": "info", "planned": "warning", "sent": "success", "archived": "default"})
    def status(self, email: Email) -> tuple[str, str]:
        status = "draft"
        if email.archived_at is not None:
            status = "archived"
        elif email.was_sent:  # type: ignore[attr-defined]
            status = "sent"
        elif email.is_planned:  # type: ignore[attr-defined]
            status = "planned"
        return status, str(STATUS_LABELS[status])

    def save_model(self, request: HttpRequest, obj: Email, form: ModelForm[Email], change: bool) -> None:
        services.save_email(organization_of(request), obj, now=timezone.now())

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Beside the form stands what the privacy check finds in what was typed, saved or not."""
        email = context["adminform"].form.instance
        if isinstance(email, Email) and email.pk:
            context |= self.lint_context(request, email) | self.exempt_context(request, email)
            context |= one_person_context(email)
        return super().render_change_form(request, context, *args, **kwargs)

    def find(self, organization: Organization, pk: int) -> Email | None:
        return get_email(organization, pk)

    def duplicate(self, organization: Organization, row: Email) -> Email:
        return services.duplicate_email(organization, row, now=timezone.now())

    def archive(self, organization: Organization, row: Email) -> None:
        services.archive_email(organization, row, now=timezone.now())

    def restore(self, organization: Organization, row: Email) -> None:
        services.restore_email(organization, row)

    def get_urls(self) -> list[URLPattern]:
        own = [
            self.page("preview", self.preview_view),
            self.page("preview_copy", self.copy_view, "preview/<str:copy>"),
            *self.launch_pages(),
            *self.one_person_pages(),
            *self.exempt_pages(),
            *self.question_pages(),
            *self.version_pages(),
            self.button("declare", self._declare),
            self.page("withdraw", self.withdraw_view, "links/<int:link_id>/withdraw"),
        ]
        return own + super().get_urls()

    # --- Functional links ---------------------------------------------------------------------------------------------

    def _declare(self, request: HttpRequest, email: Email) -> None:
        try:
            services.declare_functional_link(
                organization_of(request),
                email,
                address=request.POST.get("address", ""),
                kind=request.POST.get("kind", ""),
                reason=request.POST.get("reason", ""),
                author=member_of(request),
                now=timezone.now(),
            )
        except services.CampaignRefused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _("The link is declared functional."))

    def withdraw_view(self, request: HttpRequest, pk: int, link_id: int) -> HttpResponse:
        """Takes a declaration back."""
        email = self.find_or_404(request, pk)
        if role_may_not_change(self, request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        organization, author = organization_of(request), member_of(request)
        services.withdraw_functional_link(organization, email, link_id, author=author, now=timezone.now())
        messages.success(request, _("The link is no longer declared functional."))
        return HttpResponseRedirect(self.address_of(email))

    # --- Preview ------------------------------------------------------------------------------------------------------

    def preview_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What this email would look like and measure if it were sent now. Nothing here is measured (rule S14)."""
        email, organization, now = self.find_or_404(request, pk), organization_of(request), timezone.now()
        shown = shown_version(organization, email, request.GET.get("version", ""))
        search = request.GET.get("address", "").strip()
        person = self._person(request, address=search)
        if search and person is None:
            messages.warning(request, _("Nobody of yours has this address; an example person is shown."))
        context = {
            **self.page_context(request, email, _("Preview of “%(name)s”") % {"name": email.name}),
            **self.lint_context(request, shown.email),
            "preview": render_preview(
                organization, shown.email, participant=person, now=now, is_version=shown.is_version
            ),
            "shown": shown,
            "person": person,
            "people": people_to_preview(organization, email) if _may_see_people(request) else [],
            "search": search,
            "may_see_people": _may_see_people(request),
        }
        return TemplateResponse(request, "campaigns/email_preview.html", context)

    def _person(self, request: HttpRequest, *, address: str) -> Participant | None:
        """Whom the preview is for. Viewers see an example person, whomever they ask for."""
        if not _may_see_people(request):
            return None
        return person_to_preview(organization_of(request), person_id=request.GET.get("person", ""), address=address)

    def copy_view(self, request: HttpRequest, pk: int, copy: str) -> HttpResponse:
        """One copy alone, for a sandboxed frame: no script, no form, and no picture of ours but those of the design."""
        email, organization = self.find_or_404(request, pk), organization_of(request)
        person = self._person(request, address="")
        shown = shown_version(organization, email, request.GET.get("version", ""))
        html = copy_html(organization, shown.email, name=copy, participant=person)
        if html is None:
            raise Http404
        # Pictures of the design, and the pixel that counts nothing.
        own = [request.build_absolute_uri(settings.STATIC_URL), f"{settings.BASE_URL}{settings.STATIC_URL}"]
        policy = email_policy(["https:", *own, example_pixel(email)])
        response = with_policy(_framed(request, html), policy)
        response["Cache-Control"] = "no-store"
        return response


def _may_see_people(request: HttpRequest) -> bool:
    return role_of(request) != Role.VIEWER


@xframe_options_sameorigin
def _framed(request: HttpRequest, html: str) -> HttpResponse:
    return HttpResponse(html, content_type="text/html; charset=utf-8")
