"""Console: the base of every tenant's list and form, the organization, its members."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn, cast
from zoneinfo import available_timezones

from django.contrib import admin
from django.contrib.admin.options import ActionLocation
from django.db.models import Field, ForeignKey, Model, QuerySet
from django.forms import ChoiceField, ModelChoiceField, ModelForm
from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.widgets import UnfoldAdminSelect2Widget

from accounts.models import Membership, Organization, Role, TenantModel
from accounts.signed_in import organization_of, role_of


class ConsoleAdmin(ModelAdmin):
    """What every page of the console does."""

    def get_action_choices(
        self, request: HttpRequest, default_choices: Any = None, action_location: Any = ActionLocation.CHANGE_LIST
    ) -> list[tuple[str, str]]:
        """Unfold's own does not know where the actions are shown, which Django asks for since 6.1."""
        return super(ModelAdmin, self).get_action_choices(request, [("", _("Select action"))], action_location)

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> NoReturn:
        """Django would lead to the index with a message; strangers get 404, whether the row is there or not."""
        raise Http404

    # Django's own log would keep the address or name of a row outside of the organization's walls, and for good. Who
    # changed what is kept where it matters: with versions, events and registers.

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Not in Django's own log."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """As above."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """As above."""


class TenantAdmin(ConsoleAdmin):
    """A list and form that show one organization's rows only.

    ``editors`` are the roles that may add and change; everybody else in the organization reads. Rows are never deleted
    in the console unless ``deleters`` says who may.
    """

    editors: ClassVar[frozenset[str]] = frozenset({Role.OWNER, Role.MARKETER})
    deleters: ClassVar[frozenset[str]] = frozenset()
    readers: ClassVar[frozenset[str]] = frozenset(Role.values)
    list_fullwidth = True
    list_filter_submit = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(organization=organization_of(request))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return role_of(request) in self.readers

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return role_of(request) in self.readers

    def has_add_permission(self, request: HttpRequest) -> bool:
        return role_of(request) in self.editors

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return role_of(request) in self.editors

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return role_of(request) in self.deleters

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        related = db_field.remote_field.model
        if isinstance(related, type) and issubclass(related, TenantModel):
            queryset = kwargs.get("queryset") or related._default_manager.all()
            kwargs["queryset"] = queryset.filter(organization=organization_of(request))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm[Any], change: bool) -> None:
        if not change:
            obj.organization = organization_of(request)
        super().save_model(request, obj, form, change)


class TenantRelatedFilter(RelatedDropdownFilter):
    """Unfold's filter lists the names of every tenant; this one only the member's own."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        ordering = self.field_admin_ordering(field, request, model_admin)
        return cast(
            "list[tuple[Any, str]]",
            field.get_choices(
                include_blank=False, ordering=ordering, limit_choices_to={"organization": organization_of(request)}
            ),
        )


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
        ("quiet_from", "quiet_until"),
        ("weekly_cap", "over_cap"),
    )
    form = OrganizationForm

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "timezone":
            zones = [(zone, zone.replace("_", " ")) for zone in sorted(available_timezones()) if "/" in zone]
            return ChoiceField(label=db_field.verbose_name, choices=zones, widget=UnfoldAdminSelect2Widget())
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


@admin.register(Membership)
class MembershipAdmin(TenantAdmin):
    """Who works here. Operators add members by ``manage.py create_member``."""

    editors: ClassVar[frozenset[str]] = frozenset({Role.OWNER})
    list_display = ("user", "role", "created_at")
    fields = ("user", "role", "created_at")
    readonly_fields = ("user", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
