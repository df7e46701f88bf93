"""Forms of the console: campaigns, emails, and the page that sends one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, cast
from zoneinfo import ZoneInfo

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Organization
from campaigns.models import Campaign, Email, EmailKind, StopWhen
from campaigns.rendering import draft_errors
from campaigns.repeats import RepeatPlan
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
            topics = self._topics().filter(website=campaign.website_id)
            cast("forms.ModelChoiceField[Topic]", self.fields["topic"]).queryset = topics

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
    """When an email is sent and how often, and how often it had been sent when the page was shown."""

    when = forms.ChoiceField(
        choices=[("now", _("Now")), ("later", _("At a time")), ("local", _("At a time on each person’s clock"))],
        initial="now",
    )
    starts_at = forms.CharField(required=False, max_length=32)
    repeat = forms.BooleanField(required=False)
    every = forms.IntegerField(required=False, min_value=1, max_value=365, initial=1)
    unit = forms.ChoiceField(required=False, choices=[("1", _("days")), ("7", _("weeks"))], initial="7")
    until = forms.DateField(required=False)
    to_those = forms.ChoiceField(required=False, choices=StopWhen.choices, initial=StopWhen.GOT_IT)
    most_times = forms.IntegerField(required=False, min_value=1, max_value=50, initial=3)
    launches_seen = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    # Where the email has a test: whether it is sent in versions.
    as_test = forms.BooleanField(required=False, initial=True)

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zone = ZoneInfo(organization.timezone)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        when, typed = cleaned.get("when"), cleaned.get("starts_at") or ""
        cleaned["starts_at"] = cleaned["local_at"] = None
        try:
            if when == "later":
                cleaned["starts_at"] = self._read(typed)
            elif when == "local":
                cleaned["local_at"] = self._read_local(typed)
        except forms.ValidationError as error:
            self.add_error("starts_at", error)
        cleaned["plan"] = self._plan(cleaned) if cleaned.get("repeat") else None
        return cleaned

    def _plan(self, cleaned: dict[str, Any]) -> RepeatPlan | None:
        every, until, most = cleaned.get("every"), cleaned.get("until"), cleaned.get("most_times")
        if not every or not until or not most or not cleaned.get("to_those"):
            self.add_error("repeat", _("Say how often it is repeated, to whom, and until which day."))
            return None
        return RepeatPlan(
            every_days=every * int(cleaned.get("unit") or 1),
            until=until,
            to_those=StopWhen(cleaned["to_those"]),
            most_times=most,
        )

    def _read_local(self, text: str) -> datetime:
        """A day and time without a zone, which has not passed where the organization is."""
        local = self._parse(text)
        self._check_future(local.replace(tzinfo=self.zone).astimezone(UTC))
        return local

    def _read(self, text: str) -> datetime:
        """A day and time on the organization's clock."""
        local = self._parse(text)
        # The first of two equal times when clocks go back.
        starts_at = local.replace(tzinfo=self.zone).astimezone(UTC)
        if starts_at.astimezone(self.zone).replace(tzinfo=None) != local:
            raise forms.ValidationError(_("Clocks go forward then: this time does not exist on that day."))
        self._check_future(starts_at)
        return starts_at

    def _parse(self, text: str) -> datetime:
        try:
            local = datetime.fromisoformat(text)
        except ValueError as error:
            raise forms.ValidationError(_("Give the day and the time.")) from error
        if local.tzinfo is not None or not 2000 < local.year < 9000:
            raise forms.ValidationError(_("Give the day and the time."))
        return local

    def _check_future(self, moment: datetime) -> None:
        now = timezone.now()
        if moment <= now:
            raise forms.ValidationError(_("This time has passed."))
        if moment > now + LATEST_START:
            raise forms.ValidationError(_("Choose a time within a year."))
