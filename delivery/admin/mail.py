"""Console: the built-in mailbox, and the addresses that get no mail."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.clickjacking import xframe_options_sameorigin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.admin import TenantAdmin
from accounts.models import Organization, Role
from accounts.signed_in import organization_of
from common.policies import email_policy, with_policy
from delivery.models import CaughtMessage, Suppression, SuppressionReason
from delivery.readers import OpenedMessage, open_caught, raw_of
from delivery.selectors import neighbours
from delivery.services import is_suppressed_hash, suppress
from participants.rules import normalise_email, valid_email

# Who may see the mail of single persons.
READERS_OF_MAIL = frozenset({Role.OWNER, Role.MARKETER, Role.DPO})
TABS = ("html", "text", "links", "headers", "source")


@admin.register(CaughtMessage)
class CaughtMessageAdmin(TenantAdmin):
    """What the built-in mailbox caught. Looking at a message measures nothing (rule S14)."""

    readers: ClassVar[frozenset[str]] = READERS_OF_MAIL
    editors: ClassVar[frozenset[str]] = frozenset()
    deleters: ClassVar[frozenset[str]] = frozenset({Role.OWNER})
    list_display = ("received_at", "rcpt_to", "shown_subject")
    list_display_links = ("received_at", "shown_subject")
    list_per_page = 50
    search_fields = ("rcpt_to__exact",)
    search_help_text = gettext_lazy("The whole address of a recipient")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CaughtMessage]:
        return super().get_queryset(request).defer("raw")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[CaughtMessage], search_term: str
    ) -> tuple[QuerySet[CaughtMessage], bool]:
        """By the exact address, which an index or a quick look can answer; names of tables stay out of it."""
        wanted = search_term.strip()
        return (queryset.filter(rcpt_to=wanted) if wanted else queryset), False

    @display(description=gettext_lazy("subject"))
    def shown_subject(self, caught: CaughtMessage) -> str:
        return caught.subject or _("(no subject)")

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("<int:pk>/html/", self.admin_site.admin_view(self.html_view), name="delivery_caughtmessage_html"),
            path(
                "<int:pk>/source/", self.admin_site.admin_view(self.source_view), name="delivery_caughtmessage_source"
            ),
        ]
        return own + super().get_urls()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The message page. A message is looked at and never changed."""
        caught = self._find(request, object_id)
        opened = open_caught(caught)
        newer, older = neighbours(organization_of(request), caught)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": caught.subject or _("(no subject)"),
            "caught": caught,
            "opened": opened,
            "newer": newer,
            "older": older,
            "tab": _tab(request, opened),
            "images": "images" in request.GET,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "delivery/caught_message.html", context)

    def html_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The HTML part alone, for the sandboxed frame: no script, no form, and no picture of ours but static ones."""
        opened = open_caught(self._find(request, str(pk)))
        # Pictures of ours from the folder of static files only, never from /o/; those of others when the member asks
        # for them, since their hosts see who looks.
        pictures = [request.build_absolute_uri(settings.STATIC_URL)]
        pictures += ["https:", "http:"] if "images" in request.GET else []
        response = with_policy(_framed(request, opened), email_policy(pictures))
        response["Cache-Control"] = "no-store"
        return response

    def source_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The message as it came over the wire, pixel and links included."""
        caught = self._find(request, str(pk))
        return HttpResponse(raw_of(caught), content_type="text/plain; charset=utf-8")

    def _find(self, request: HttpRequest, object_id: str) -> CaughtMessage:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if not object_id.isdecimal():
            raise Http404
        return get_object_or_404(self.get_queryset(request), pk=int(object_id))


def _tab(request: HttpRequest, opened: OpenedMessage) -> str:
    wanted = request.GET.get("tab", "html" if opened.html else "text")
    return wanted if wanted in TABS else "html"


@xframe_options_sameorigin
def _framed(request: HttpRequest, opened: OpenedMessage) -> HttpResponse:
    return HttpResponse(opened.html, content_type="text/html; charset=utf-8")


class SuppressionForm(forms.ModelForm):
    """An address typed by a member."""

    email = forms.CharField(label=gettext_lazy("email address"), max_length=320, widget=UnfoldAdminTextInputWidget)
    reason = forms.ChoiceField(
        label=gettext_lazy("reason"), choices=SuppressionReason.choices, widget=UnfoldAdminSelectWidget
    )

    # Set by the admin for each request.
    organization: Organization

    class Meta:
        model = Suppression
        fields = ("email", "reason")

    def clean_email(self) -> str:
        address = self.cleaned_data["email"]
        if not valid_email(address):
            raise forms.ValidationError(_("This is not an email address."))
        norm = str(normalise_email(address))
        if is_suppressed_hash(self.organization, norm):
            raise forms.ValidationError(_("The person with this address was erased: no mail goes to it."))
        return norm


@admin.register(Suppression)
class SuppressionAdmin(TenantAdmin):
    """Addresses that get no marketing mail, or no mail at all."""

    form = SuppressionForm
    readers: ClassVar[frozenset[str]] = READERS_OF_MAIL
    deleters: ClassVar[frozenset[str]] = frozenset({Role.OWNER, Role.DPO})
    list_display = ("email_norm", "reason", "source", "created_at")
    list_filter = ("reason",)
    list_filter_submit = True
    show_full_result_count = False
    search_fields = ("email_norm__exact",)
    search_help_text = gettext_lazy("The whole address")
    ordering = ("-id",)
    list_per_page = 50
    fields = ("email", "reason")
    delete_confirmation_template = "delivery/suppression_delete.html"
    delete_selected_confirmation_template = "delivery/suppressions_delete.html"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Suppression], search_term: str
    ) -> tuple[QuerySet[Suppression], bool]:
        """By the normalised address, whose index row-level security leaves usable."""
        return (queryset.filter(email_norm=normalise_email(search_term)) if search_term.strip() else queryset), False

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("email", "reason") if obj is None else ("email_norm", "reason", "source", "created_at")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.organization = organization_of(request)
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return () if obj is None else ("email_norm", "reason", "source", "created_at")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A reason is never rewritten: an address is added or removed."""
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: forms.ModelForm[Any], change: bool) -> None:
        organization = organization_of(request)
        now: datetime = timezone.now()
        email, reason = form.cleaned_data["email"], form.cleaned_data["reason"]
        source = _("added by %(member)s") % {"member": request.user}
        if not suppress(organization, email, reason=reason, source=source, now=now):
            messages.info(request, _("This address was on the list already."))
        obj.pk = Suppression.objects.get(organization=organization, email_norm=email, reason=reason).pk
