"""Console: the organization itself."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Field, Model, QuerySet
from django.forms import ChoiceField, ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext as _
from unfold.widgets import UnfoldAdminSelect2Widget

from accounts.admin.base import ConsoleAdmin
from accounts.models import Organization, Role
from accounts.signed_in import organization_of, role_of
from accounts.zones import zone_choices


class OrganizationForm(ModelForm):
    """What an organization says about itself and its mail."""

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        begins, ends = cleaned.get("quiet_from"), cleaned.get("quiet_until")
        if (begins is None) != (ends is None):
            self.add_error("quiet_until", _("Quiet hours have a beginning and an end."))
        elif begins is not None and begins == ends:
            self.add_error("quiet_until", _("Quiet hours end at another time than they begin."))
        return cleaned


@admin.register(Organization)
class OrganizationAdmin(ConsoleAdmin):
    """The member's own organization; created by sign-up or ``manage.py create_member``, not here."""

    list_display = ("name", "legal_name", "timezone")
    fields = (
        "name",
        "legal_name",
        "legal_address",
        "timezone",
        "consent_request_months",
        "smallest_crowd",
        ("quiet_from", "quiet_until"),
        ("weekly_cap", "over_cap"),
    )
    form = OrganizationForm

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "timezone":
            return ChoiceField(label=db_field.verbose_name, choices=zone_choices, widget=UnfoldAdminSelect2Widget())
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        return super().get_queryset(request).filter(pk=organization_of(request).pk)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return role_of(request) != ""

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return role_of(request) != ""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return role_of(request) == Role.OWNER

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
