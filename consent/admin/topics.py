"""Topics: what people subscribe to on a website."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from accounts.admin import TenantAdmin, TenantRelatedFilter
from accounts.signed_in import organization_of
from consent.models import Topic
from consent.selectors import active_subscriptions


@admin.register(Topic)
class TopicAdmin(TenantAdmin):
    """A topic stays with its website: people subscribed to it there."""

    list_display = ("name", "website", "people")
    list_filter = (("website", TenantRelatedFilter),)
    list_filter_submit = True
    list_select_related = ("website",)
    search_fields = ("name", "website__name")
    ordering = ("website__name", "name")
    fields = ("website", "name")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Topic]:
        """With how many get it: counted for the rows of one page, and not to say how many topics there are."""
        subscriptions = active_subscriptions(organization_of(request)).filter(topic=OuterRef("pk"))
        number = subscriptions.order_by().values("topic").annotate(number=Count("*")).values("number")
        return super().get_queryset(request).annotate(active=Coalesce(Subquery(number), 0))

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("website",) if obj else ()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Without the little buttons that open the website's form in a window beside this one."""
        formfield = super().formfield_for_dbfield(db_field, request, **kwargs)
        for button in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
            if hasattr(getattr(formfield, "widget", None), button):
                setattr(formfield.widget, button, False)
        return formfield

    @display(description=gettext_lazy("Subscribed people"), ordering="active")
    def people(self, topic: Any) -> int:
        return topic.active
