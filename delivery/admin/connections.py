"""Settings > Connections: how mail leaves, tried out, trusted, and told what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, Model, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display

from accounts.models import Role
from accounts.signed_in import member_of, organization_of, role_of
from common.tenancy import tenant
from delivery.admin.base import OwnersAdmin
from delivery.connection_models import Connection, ConnectionKind, GuardCheck, WebsiteConnection
from delivery.connections import (
    ConnectionRefused,
    attest,
    built_in,
    delete_connection,
    mend,
    needs_trusted_way,
    provider_of,
    seal_secrets,
    take_attestation_back,
    trust_of,
    uses_of,
    words_for,
)
from delivery.forms import ConnectionForm
from delivery.leak_guard import send_canary, sentence_of
from delivery.outside_forms import form_for
from delivery.outside_selectors import standing_of
from delivery.provider_reports import HOOK_PASSWORD, HOOK_USER, hook_path, new_hook_password
from delivery.providers import Provider, Sureness, Tracking, providers
from delivery.pushing import hand_over_again
from delivery.pushing_changes import try_again
from delivery.throttle import quota_left
from delivery.transports import ACTITO, actito
from delivery.trials import try_connection
from delivery.trust import is_attested

TRACKING = {
    Tracking.MESSAGE: gettext_lazy("Switched off in every message"),
    Tracking.PARTLY: gettext_lazy("A setting of the account wins"),
    Tracking.ACCOUNT: gettext_lazy("By a setting of the account only"),
}
SURENESS = {
    Sureness.DOCUMENTED: gettext_lazy("documented"),
    Sureness.OUR_READING: gettext_lazy("our reading"),
    Sureness.UNSURE: gettext_lazy("unsure"),
}
CHECKS_SHOWN = 5


@admin.register(Connection)
class ConnectionAdmin(OwnersAdmin):
    list_display = ("name", "shown_kind", "shown_state", "shown_default")
    delete_confirmation_template = None

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if self.has_view_permission(request):
            built_in(organization_of(request))
        return super().changelist_view(request, extra_context)

    @display(description=gettext_lazy("kind"))
    def shown_kind(self, connection: Connection) -> str:
        provider = providers().get(connection.provider)
        if connection.provider == ACTITO:
            return f"{connection.get_kind_display()} (Actito)"
        return provider.name if provider else str(connection.get_kind_display())

    @display(
        description=gettext_lazy("state"),
        label={"works": "success", "broken": "danger", "untested": "default", "failed": "warning"},
    )
    def shown_state(self, connection: Connection) -> tuple[str, Any]:
        if connection.broken_since is not None:
            return "broken", _("Out of order")
        if connection.test_passed is None:
            return "untested", _("Not tried yet")
        return ("works", _("Works")) if connection.test_passed else ("failed", _("The latest try failed"))

    @display(description=gettext_lazy("for"))
    def shown_default(self, connection: Connection) -> str:
        """The installation's server serves where no connection was chosen as the default."""
        mine = Connection.objects.filter(organization=connection.organization_id, is_default=True)
        is_last = connection.kind == ConnectionKind.BUILTIN and not mine.exists()
        return _("Every website without a connection of its own") if connection.is_default or is_last else "–"

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        if isinstance(obj, Connection) and uses_of(organization_of(request), obj):
            return False
        return super().has_delete_permission(request, obj)

    def delete_model(self, request: HttpRequest, obj: Connection) -> None:
        delete_connection(organization_of(request), obj)

    def get_urls(self) -> list[URLPattern]:
        buttons = [
            self.button("test", self._test),
            self.button("attest", self._attest),
            self.button("unattest", self._take_back),
            self.button("guard", self._guard),
            self.button("mend", self._mend),
            self.button("secret", self._new_secret),
            self.button("again", self._try_again),
        ]
        return buttons + super().get_urls()

    # --- Pages

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """First what kind it is, then the form of that kind."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.GET.get("service") in (ConnectionKind.PUSH, ACTITO):
            return self._add_outside(request)
        provider = providers().get(request.GET.get("service", ""))
        if provider is None and request.GET.get("service") != ConnectionKind.SMTP:
            return self._page(
                request, "delivery/connection_choose.html", title=_("New connection"), services=_services()
            )
        row = Connection(
            organization=organization_of(request),
            kind=ConnectionKind.ESP if provider else ConnectionKind.SMTP,
            provider=provider.key if provider else "",
            name=provider.name if provider else "",
        )
        form = ConnectionForm(row, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            saved = form.save()
            self.log_addition(request, saved, None)
            messages.success(request, _("The connection is kept. Try it out now."))
            return HttpResponseRedirect(self.address_of(saved))
        title = _("New connection: %(kind)s") % {"kind": provider.name if provider else row.get_kind_display()}
        return self._page(request, "delivery/connection_form.html", title=title, form=form, provider=provider)

    def _add_outside(self, request: HttpRequest) -> HttpResponse:
        is_actito = request.GET.get("service") == ACTITO
        row = Connection(
            organization=organization_of(request),
            kind=ConnectionKind.PUSH,
            provider=ACTITO if is_actito else "",
            name="Actito" if is_actito else "",
        )
        form = form_for(row, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            saved = form.save()
            self.log_addition(request, saved, None)
            messages.success(request, _("The outside sender is kept. Try it out now."))
            return HttpResponseRedirect(self.address_of(saved))
        title = _("New connection: %(kind)s") % {"kind": row.name or row.get_kind_display()}
        return self._page(request, "delivery/connection_form.html", title=title, form=form)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.find(request, object_id)
        may_change = self.has_change_permission(request)
        is_outside = row.kind == ConnectionKind.PUSH
        make_form = form_for if is_outside else ConnectionForm
        form = make_form(row, request.POST if request.method == "POST" else None)
        if request.method == "POST":
            if not may_change:
                raise PermissionDenied
            if form.is_valid():
                form.save()
                self.note(request, row, "row:change", {"fields": form.changed_data})
                messages.success(request, _("The connection is changed."))
                return HttpResponseRedirect(self.address_of(row))
        facts = (self._outside_facts if is_outside else self._facts)(request, row, now=timezone.now())
        template = "delivery/outside.html" if is_outside else "delivery/connection.html"
        return self._page(request, template, title=row.name, form=form, may_change=may_change, row=row, **facts)

    def _facts(self, request: HttpRequest, row: Connection, *, now: datetime) -> dict[str, Any]:
        organization = organization_of(request)
        trust = trust_of(organization, row, now=now)
        with tenant(organization.pk):
            checks = list(GuardCheck.objects.filter(connection=row).order_by("-sent_at")[:CHECKS_SHOWN])
        provider = provider_of(row)
        return {
            "provider": provider,
            "tracking": TRACKING[provider.tracking] if provider else "",
            "sureness": SURENESS[provider.sureness] if provider else "",
            "trust": trust,
            "trust_words": words_for(trust, row),
            "is_attested": is_attested(row),
            "uses": uses_of(organization, row),
            "may_delete": self.has_delete_permission(request, row),
            "hook_url": f"{settings.BASE_URL}{hook_path(row)}",
            "is_service": row.kind == ConnectionKind.ESP,
            "checks": [(check, [sentence_of(finding) for finding in check.findings]) for check in checks],
            "quota_left": quota_left(row, today=now.date()),
        }

    def _outside_facts(self, request: HttpRequest, row: Connection, *, now: datetime) -> dict[str, Any]:
        organization = organization_of(request)
        return {
            "uses": uses_of(organization, row),
            "may_delete": self.has_delete_permission(request, row),
            "is_actito": row.provider == ACTITO,
            "known": actito() if row.provider == ACTITO else {},
            "standing": standing_of(organization, row, now=now),
        }

    def _page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        return TemplateResponse(
            request, template, {**self.admin_site.each_context(request), "opts": self.opts, **context}
        )

    # --- Buttons

    def _test(self, request: HttpRequest, row: Connection) -> None:
        member = member_of(request)
        trial = try_connection(organization_of(request), row, to=member.email, now=timezone.now())
        (messages.success if trial.passed else messages.error)(request, trial.words)

    def _attest(self, request: HttpRequest, row: Connection) -> None:
        text = request.POST.get("text", "")
        author = member_of(request)
        try:
            attest(organization_of(request), row, author=author, text=text, now=timezone.now())
        except ConnectionRefused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _("Recorded, with your name and the time."))

    def _take_back(self, request: HttpRequest, row: Connection) -> None:
        take_attestation_back(organization_of(request), row, author=member_of(request), now=timezone.now())
        messages.success(request, _("The confirmation is taken back."))

    def _guard(self, request: HttpRequest, row: Connection) -> None:
        if not row.guard_address:
            messages.error(request, _("Give the leak guard an address first."))
            return
        check = send_canary(organization_of(request), row, now=timezone.now())
        if check.words:
            messages.error(request, check.words)
        else:
            messages.success(request, _("A message is on its way. It is judged when it arrives."))

    def _mend(self, request: HttpRequest, row: Connection) -> None:
        mend(organization_of(request), row, now=timezone.now())
        messages.success(request, _("It is used again from now on."))

    def _try_again(self, request: HttpRequest, row: Connection) -> None:
        organization, now = organization_of(request), timezone.now()
        mend(organization, row, now=now)
        tried = try_again(organization, row, now=now) + hand_over_again(organization, row)
        messages.success(
            request,
            ngettext("%(n)s is tried again.", "%(n)s are tried again.", tried) % {"n": tried},
        )

    def _new_secret(self, request: HttpRequest, row: Connection) -> None:
        """Shown once: whoever needs it later makes another one."""
        password = new_hook_password()
        seal_secrets(row, {HOOK_PASSWORD: password})
        row.save(update_fields=["sealed"])
        self.note(request, row, "connection:secret:make")
        address = f"{settings.BASE_URL}{hook_path(row)}".replace("://", f"://{HOOK_USER}:{password}@", 1)
        messages.success(request, _("Copy this address now, it is not shown again: %(address)s") % {"address": address})


def _services() -> list[tuple[Provider, Any, Any]]:
    return [(provider, TRACKING[provider.tracking], SURENESS[provider.sureness]) for provider in providers().values()]


@admin.register(WebsiteConnection)
class WebsiteConnectionAdmin(OwnersAdmin):
    """Which website takes which connection."""

    editors: ClassVar[frozenset[str]] = frozenset({Role.OWNER, Role.MARKETER})
    deleters: ClassVar[frozenset[str]] = frozenset({Role.OWNER, Role.MARKETER})
    list_display = ("website", "connection", "fallback", "outside")
    list_select_related = ("website", "connection", "fallback", "outside")
    fields = ("website", "connection", "fallback", "outside")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if role_of(request) in self.editors:
            built_in(organization_of(request))
        return super().add_view(request, form_url, extra_context)

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        """Outside senders where they belong, and nowhere else."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is None or field.queryset is None or db_field.name == "website":
            return field
        if db_field.name == "outside":
            field.queryset = field.queryset.filter(kind=ConnectionKind.PUSH)
            words = _("Only an outside sender can be chosen here.")
        else:
            field.queryset = field.queryset.exclude(kind=ConnectionKind.PUSH)
            words = _("An outside sender takes exit-screen emails only; choose it in its own field.")
        field.error_messages["invalid_choice"] = words
        return field

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return () if obj is None else ("website",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebsiteConnection]:
        return super().get_queryset(request)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if obj.fallback_id == obj.connection_id:
            obj.fallback = None
        super().save_model(request, obj, form, change)
        if "website" in form.cleaned_data or change:
            self._say_what_it_means(request, obj)

    @staticmethod
    def _say_what_it_means(request: HttpRequest, obj: WebsiteConnection) -> None:
        """Better now than when somebody wants to send."""
        organization = organization_of(request)
        trust = trust_of(organization, obj.connection, now=timezone.now())
        if not trust.is_given and needs_trusted_way(organization, obj.website, now=timezone.now()):
            messages.warning(request, words_for(trust, obj.connection))
