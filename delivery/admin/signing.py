"""Settings > Signing keys: made here, shown as DNS records, looked up when somebody asks."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from accounts.signed_in import organization_of
from delivery.admin.base import OwnersAdmin
from delivery.connection_models import DkimKey
from delivery.forms import DkimForm
from delivery.signing import check_dkim_key, create_dkim_key, record_name, record_text


@admin.register(DkimKey)
class DkimKeyAdmin(OwnersAdmin):
    list_display = ("domain", "selector", "algorithm", "shown_state")

    @display(description=gettext_lazy("state"), label={"signs": "success", "waits": "warning"})
    def shown_state(self, key: DkimKey) -> tuple[str, Any]:
        return ("signs", _("Signs")) if key.signs_since else ("waits", _("Waits for its DNS record"))

    def get_urls(self) -> list[URLPattern]:
        return [self.button("check", self._check), *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = DkimForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            key = create_dkim_key(organization_of(request), **form.cleaned_data, now=timezone.now())
            self.log_addition(request, key, None)
            return HttpResponseRedirect(self.address_of(key))
        return self._page(request, "delivery/dkim_form.html", title=_("New signing key"), form=form)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        key = self.find(request, object_id)
        return self._page(
            request,
            "delivery/dkim_key.html",
            title=str(key),
            key=key,
            record_name=record_name(key),
            record_text=record_text(key),
            may_change=self.has_change_permission(request),
            may_delete=self.has_delete_permission(request),
        )

    def _page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        return TemplateResponse(
            request, template, {**self.admin_site.each_context(request), "opts": self.opts, **context}
        )

    def _check(self, request: HttpRequest, key: DkimKey) -> None:
        if check_dkim_key(organization_of(request), key, now=timezone.now()):
            messages.success(request, _("The record is there. Mail of %(domain)s is signed.") % {"domain": key.domain})
        else:
            messages.warning(request, key.check_words)
