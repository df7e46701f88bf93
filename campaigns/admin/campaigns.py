"""Publishing > Campaigns."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, Model, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.decorators import display

from accounts.admin import ChoicesDropdownFilter, TenantRelatedFilter, labelled
from accounts.models import Organization
from accounts.signed_in import organization_of
from campaigns import services
from campaigns.admin.base import ArchivableAdmin, StatusFilter
from campaigns.forms import CampaignForm
from campaigns.models import Campaign, Email, Participation
from campaigns.rules import CampaignStatus, campaign_status
from campaigns.selectors import get_campaign

STATUS_LABELS = {
    CampaignStatus.PLANNED: _("Planned"),
    CampaignStatus.OPEN: pgettext_lazy("campaign", "Open"),
    CampaignStatus.CLOSED: _("Closed"),
    CampaignStatus.ARCHIVED: pgettext_lazy("campaign", "Archived"),
}


class CampaignStatusFilter(StatusFilter):
    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(status.value, label) for status, label in STATUS_LABELS.items()]

    def narrow(self, queryset: QuerySet[Campaign], status: str) -> QuerySet[Campaign]:
        now = timezone.now()
        planned, closed = Q(opens_at__gt=now), Q(closes_at__lte=now)
        if status == CampaignStatus.PLANNED:
            return queryset.filter(planned)
        if status == CampaignStatus.CLOSED:
            return queryset.filter(closed).exclude(planned)
        # Without "exclude", which would lose the rows that have no date.
        if status == CampaignStatus.OPEN:
            return queryset.filter(
                Q(opens_at__isnull=True) | Q(opens_at__lte=now), Q(closes_at__isnull=True) | Q(closes_at__gt=now)
            )
        return queryset


def _number(rows: QuerySet[Any]) -> Coalesce:
    """How many there are for each campaign."""
    counted = rows.order_by().values("campaign").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted), 0)


@admin.register(Campaign)
class CampaignAdmin(ArchivableAdmin):
    form = CampaignForm
    fields = ("website", "name", "kind", ("opens_at", "closes_at"))
    list_display = ("name", "website", "kind", "status", "opens_at", "closes_at", "email_count", "people")
    list_filter: ClassVar[list[Any]] = [
        CampaignStatusFilter,
        ("website", TenantRelatedFilter),
        ("kind", ChoicesDropdownFilter),
    ]
    list_select_related = ("website",)
    search_fields = ("name",)
    change_form_outer_before_template = "campaigns/campaign_toolbar.html"

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["console/campaigns-email.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Campaign]:
        """With numbers that are counted for the rows of one page, all of them by one question."""
        emails = Email.objects.filter(campaign=OuterRef("pk"), archived_at__isnull=True)
        people = Participation.objects.filter(campaign=OuterRef("pk"))
        return super().get_queryset(request).annotate(email_number=_number(emails), people_number=_number(people))

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """A campaign stays with its website once it has emails: their topics and reports belong to that website."""
        if isinstance(obj, Campaign) and obj.emails.exists():
            return ("website",)
        return ()

    @display(description=_("status"))
    @labelled({"open": "success", "planned": "info", "closed": "default", "archived": "default"})
    def status(self, campaign: Campaign) -> tuple[str, str]:
        status = campaign_status(
            opens_at=campaign.opens_at,
            closes_at=campaign.closes_at,
            archived_at=campaign.archived_at,
            now=timezone.now(),
        )
        return status.value, str(STATUS_LABELS[status])

    @display(description=_("emails"))
    def email_count(self, campaign: Campaign) -> int:
        return int(campaign.email_number)  # type: ignore[attr-defined]

    @display(description=_("took part"))
    def people(self, campaign: Campaign) -> int:
        return int(campaign.people_number)  # type: ignore[attr-defined]

    def save_model(self, request: HttpRequest, obj: Campaign, form: ModelForm[Campaign], change: bool) -> None:
        services.save_campaign(organization_of(request), obj, now=timezone.now())

    def find(self, organization: Organization, pk: int) -> Campaign | None:
        return get_campaign(organization, pk)

    def duplicate(self, organization: Organization, row: Campaign) -> Campaign:
        return services.duplicate_campaign(organization, row, now=timezone.now())

    def archive(self, organization: Organization, row: Campaign) -> None:
        services.archive_campaign(organization, row, now=timezone.now())

    def restore(self, organization: Organization, row: Campaign) -> None:
        services.restore_campaign(organization, row)
