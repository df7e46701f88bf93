"""Topics: what people subscribe to on a website."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Model, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.views import ChangeList

from accounts.admin import TenantAdmin, TenantRelatedFilter
from accounts.signed_in import organization_of
from consent.models import Subscription, Topic
from consent.selectors import ACTIVE, subscribers_by_topic

_ACTIVE_HERE = Subscription.objects.filter(ACTIVE, topic=OuterRef("pk")).order_by()


class TopicList(ChangeList):
    """Rows say how many people get the topic: only those of one page are counted, and large topics seldom."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        people = subscribers_by_topic.of(organization_of(request).pk, [topic.pk for topic in self.result_list])
        for topic in self.result_list:
            topic.active = people[topic.pk]


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

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TopicList

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("website",) if obj else ()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Without the little buttons that open the website's form in a window beside this one."""
        formfield = super().formfield_for_dbfield(db_field, request, **kwargs)
        for button in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
            if hasattr(getattr(formfield, "widget", None), button):
                setattr(formfield.widget, button, False)
        return formfield

    @display(
        description=gettext_lazy("Subscribed people"),
        # Counted as a whole only for whoever wants that order.
        ordering=Coalesce(Subquery(_ACTIVE_HERE.values("topic").annotate(number=Count("*")).values("number")), 0),
    )
    def people(self, topic: Any) -> int:
        return topic.active
