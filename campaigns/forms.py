"""Forms of the console: campaigns, emails, and the page that sends one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Organization
from campaigns.models import Campaign, Email, EmailKind
from campaigns.rendering import draft_errors
from consent.models import Topic
from delivery.models import Purpose

LATEST_START = timedelta(days=366)


class CampaignForm(forms.ModelForm):
    """A campaign as the console edits it."""

    class Meta:
        model = Campaign
        fields = ("website", "name", "kind", "opens_at", "closes_at")

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        opens_at, closes_at = cleaned.get("opens_at"), cleaned.get("closes_at")
        if opens_at and closes_at and closes_at <= opens_at:
            self.add_error("closes_at", _("A campaign closes after it opens."))
        return cleaned


class EmailForm(forms.ModelForm):
    """An email as the console edits it. What the mail would break on is said at its field; a draft may lack more."""

    # Set by the admin for each request.
    organization: ClassVar[Organization]

    class Meta:
        model = Email
        fields = (
            "campaign",
            "name",
            "kind",
            "purpose",
            "topic",
            "subject",
            "preheader",
            "sender_name",
            "reply_to",
            "body_format",
            "body",
            "text",
            "add_utm",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "body" in self.fields:
            widget = self.fields["body"].widget
            widget.attrs.update({"class": f"{widget.attrs.get('class', '')} campaigns-body", "spellcheck": "false"})
        campaign = self._campaign()
        if campaign is not None and "topic" in self.fields:
            self.fields["topic"].queryset = self._topics().filter(website=campaign.website_id)  # type: ignore[attr-defined]

    def _topics(self) -> Any:
        return (
            Topic.objects.filter(organization=self.organization).select_related("website").order_by("website", "name")
        )

    def _campaign(self) -> Campaign | None:
        """The campaign, once it is known; a new email's may still change in the form."""
        if self.instance.pk:
            return self.instance.campaign
        wanted = self.data.get("campaign") if self.is_bound else self.initial.get("campaign")
        if not str(wanted or "").isdigit():
            return None
        return Campaign.objects.filter(organization=self.organization, pk=int(str(wanted))).first()

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        if cleaned.get("kind") == EmailKind.CONSENT_REQUEST and cleaned.get("purpose") == Purpose.MARKETING:
            self.add_error("purpose", REQUEST_IS_NO_MARKETING)
        if cleaned.get("kind") == EmailKind.EXIT_SCREEN and cleaned.get("purpose") == Purpose.MARKETING:
            self.add_error("purpose", EXIT_SCREEN_IS_NO_MARKETING)
        return cleaned

    def _post_clean(self) -> None:
        """The template is tried once the instance holds what was typed."""
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        self.instance.organization = self.organization
        for error in draft_errors(self.instance):
            self.add_error(error.field if error.field in self.fields else None, str(error))


REQUEST_IS_NO_MARKETING = _(
    "An email that asks for tracking consent advertises nothing: choose Transactional. With a topic it goes to those of"
    " its subscribers who have not answered, without one to those who took part in the campaign."
)
EXIT_SCREEN_IS_NO_MARKETING = _(
    "An exit-screen email answers somebody who took part, so it is not marketing. Choose Transactional; marketing goes"
    " to subscribers in an email of another type."
)


class SendForm(forms.Form):
    """When an email is sent, and how often it had been sent when the page was shown."""

    when = forms.ChoiceField(choices=[("now", _("Now")), ("later", _("At a time"))], initial="now")
    starts_at = forms.CharField(required=False, max_length=32)
    launches_seen = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zone = ZoneInfo(organization.timezone)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        if cleaned.get("when") != "later":
            cleaned["starts_at"] = None
            return cleaned
        try:
            cleaned["starts_at"] = self._read(cleaned.get("starts_at") or "")
        except forms.ValidationError as error:
            self.add_error("starts_at", error)
        return cleaned

    def _read(self, text: str) -> datetime:
        """A day and time on the organization's clock."""
        try:
            local = datetime.fromisoformat(text)
        except ValueError as error:
            raise forms.ValidationError(_("Give the day and the time.")) from error
        if local.tzinfo is not None:
            raise forms.ValidationError(_("Give the day and the time."))
        if not 2000 < local.year < 9000:
            raise forms.ValidationError(_("Give the day and the time."))
        # The first of two equal times when clocks go back.
        starts_at = local.replace(tzinfo=self.zone).astimezone(UTC)
        if starts_at.astimezone(self.zone).replace(tzinfo=None) != local:
            raise forms.ValidationError(_("Clocks go forward then: this time does not exist on that day."))
        now = timezone.now()
        if starts_at <= now:
            raise forms.ValidationError(_("This time has passed."))
        if starts_at > now + LATEST_START:
            raise forms.ValidationError(_("Choose a time within a year."))
        return starts_at
