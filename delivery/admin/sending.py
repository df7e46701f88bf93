"""Settings > Sending and alerts: what happens when sending goes wrong, and who is told."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from accounts.models import Role
from accounts.signed_in import organization_of
from common.tenancy import tenant
from delivery.admin.base import OwnersAdmin
from delivery.alerts import latest_alerts
from delivery.selectors import sending_rules
from delivery.sending_models import SendingRules


class SendingRulesForm(forms.ModelForm):
    class Meta:
        model = SendingRules
        fields = (
            "resend", "resend_hours", "pauses", "bounce_percent", "bounce_least", "complaint_percent",
            "complaint_least", "alerts_to",
        )  # fmt: skip
        widgets: ClassVar[dict[str, Any]] = {
            "resend": UnfoldAdminSelectWidget,
            "resend_hours": UnfoldAdminIntegerFieldWidget,
            "pauses": UnfoldBooleanSwitchWidget,
            "bounce_percent": UnfoldAdminIntegerFieldWidget(attrs={"step": "0.01"}),
            "bounce_least": UnfoldAdminIntegerFieldWidget,
            "complaint_percent": UnfoldAdminIntegerFieldWidget(attrs={"step": "0.01"}),
            "complaint_least": UnfoldAdminIntegerFieldWidget,
            "alerts_to": UnfoldAdminSelectWidget,
        }
        help_texts: ClassVar[dict[str, Any]] = {
            "resend": gettext_lazy(
                "For messages that may have been sent. Some people then get the same email twice; nobody decides each "
                "time. Each message is sent again by itself once at most."
            ),
            "resend_hours": gettext_lazy("Reports of the sending service, or a bounce, may settle it before."),
            "pauses": gettext_lazy("When more copies than these fare badly. Somebody has to resume it."),
            "bounce_percent": gettext_lazy("Bounced for good, or refused."),
            "bounce_least": gettext_lazy("Nothing can be said of a few copies."),
            "complaint_percent": gettext_lazy(
                "Large mail providers begin to refuse senders at 0.3 %, and ask for less than 0.1 %."
            ),
        }


@admin.register(SendingRules)
class SendingRulesAdmin(OwnersAdmin):
    """One page; the organization has one set of rules."""

    readers: ClassVar[frozenset[str]] = frozenset({Role.OWNER, Role.MARKETER, Role.DPO})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        organization = organization_of(request)
        rules = sending_rules(organization)
        may_change = self.has_change_permission(request)
        if request.method == "POST" and not may_change:
            raise PermissionDenied
        form = SendingRulesForm(request.POST if request.method == "POST" else None, instance=rules)
        if form.is_valid():
            with tenant(organization.pk):
                form.save()
                self.note(request, rules, "settings:sending:change", {"fields": form.changed_data})
            messages.success(request, _("The rules are changed."))
            return HttpResponseRedirect(request.path)
        if not may_change:
            for field in form.fields.values():
                field.disabled = True
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Sending and alerts"),
            "form": form,
            "may_change": may_change,
            "alerts": latest_alerts(organization),
        }
        return TemplateResponse(request, "delivery/sending_rules.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        self.find(request, object_id)
        return HttpResponseRedirect(reverse("admin:delivery_sendingrules_changelist"))
