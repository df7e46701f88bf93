"""What members order."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.models import Organization
from campaigns.models import Campaign
from reporting.asked import DEFAULT_PERIOD, PERIODS
from reporting.models import FileKind, Rhythm
from websites.models import Website


class ScheduleForm(forms.Form):
    """A report by email. ``about`` becomes the numbers of a website and of a campaign, None where it is not one."""

    about = forms.ChoiceField(label=gettext_lazy("Report of"), required=False, widget=UnfoldAdminSelectWidget)
    rhythm = forms.ChoiceField(
        label=gettext_lazy("How often"), choices=Rhythm, initial=Rhythm.WEEKLY, widget=UnfoldAdminSelectWidget
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("Emails of the last days"),
        coerce=int,
        choices=[(days, days) for days in PERIODS],
        initial=DEFAULT_PERIOD,
        widget=UnfoldAdminSelectWidget,
    )
    file_kind = forms.ChoiceField(label=gettext_lazy("File"), choices=FileKind, widget=UnfoldAdminSelectWidget)

    def __init__(self, organization: Organization, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        websites = Website.objects.filter(organization=organization).order_by("name")
        campaigns = Campaign.objects.filter(organization=organization).order_by("name")
        about = cast("forms.ChoiceField", self.fields["about"])
        about.choices = [
            ("", _("All emails together")),
            (_("Websites"), [(f"website-{website.pk}", website.name) for website in websites]),
            (_("Campaigns"), [(f"campaign-{campaign.pk}", campaign.name) for campaign in campaigns]),
        ]

    def clean_about(self) -> tuple[int | None, int | None]:
        kind, _dash, number = self.cleaned_data["about"].partition("-")
        return (int(number) if kind == "website" else None, int(number) if kind == "campaign" else None)
