"""Console: the base of every tenant's list and form."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn, cast

from django.contrib.admin.options import ActionLocation
from django.db.models import ForeignKey, Model, QuerySet
from django.forms import ModelChoiceField, ModelForm
from django.http import Http404, HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from accounts import audit
from accounts.admin.cells import RelatedDropdownFilter, row_checkbox
from accounts.models import Role, TenantModel
from accounts.signed_in import member_of, organization_of, role_of


class ConsoleAdmin(ModelAdmin):
    """What every page of the console does."""

    def get_action_choices(
        self, request: HttpRequest, default_choices: Any = None, action_location: Any = ActionLocation.CHANGE_LIST
    ) -> list[tuple[str, str]]:
        """Unfold's own does not know where the actions are shown, which Django asks for since 6.1."""
        return super(ModelAdmin, self).get_action_choices(request, [("", _("Select action"))], action_location)

    @display(description=ModelAdmin.action_checkbox.short_description)
    def action_checkbox(self, obj: Model) -> SafeString:
        return row_checkbox(obj.pk)

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> NoReturn:
        """Django would lead to the index with a message; strangers get 404, whether the row is there or not."""
        raise Http404

    # Django's own log would keep the address or name of a row outside of the organization's walls, and for good. The
    # trail names the row by its number, and the fields that were changed.

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self.note(request, obj, "row:add")

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        changed = [str(name) for one in message or () for name in one.get("changed", {}).get("fields", ())]
        self.note(request, obj, "row:change", {"fields": changed} if changed else None)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for row in queryset:
            self.note(request, row, "row:delete")

    @staticmethod
    def note(request: HttpRequest, row: Any, action: str, details: dict[str, Any] | None = None) -> None:
        """What a page of the console did with a row, in the trail; in the transaction of the request."""
        target = f"{row._meta.model_name} {row.pk}"
        actor, now = member_of(request), timezone.now()
        audit.record(organization_of(request), actor=actor, action=action, target=target, details=details, now=now)


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
