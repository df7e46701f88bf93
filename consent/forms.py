"""The forms of Publishing > Websites."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Any, ClassVar, cast
from urllib.parse import urlsplit

from django import forms
from django.conf.locale import LANG_INFO
from django.core.validators import URLValidator
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import get_language_info, gettext_lazy
from django.utils.translation import gettext as _
from django_countries import countries
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldAdminURLInputWidget,
)

from accounts.models import Organization, User
from consent.services import WebsitePolicy, problems_of_policy
from websites.models import EmailTrackingChoice, Website
from websites.rules import EmailTracking, is_french

# From the strictest to the loosest, so that nobody slips to more than they meant.
CHOICES = [
    (choice.value, choice.label)
    for choice in (EmailTrackingChoice.NEVER, EmailTrackingChoice.BY_CONSENT, EmailTrackingChoice.ALWAYS)
]
SENTENCES = {
    EmailTracking.NEVER: gettext_lazy(
        "No pixel, no tracked link, nothing recorded: at once, and also for mail already delivered. Emails are "
        "delivered all the same; their reports say “not measured”."
    ),
    EmailTracking.BY_CONSENT: gettext_lazy("Only people who said yes are measured. No answer is not a yes."),
    EmailTracking.ALWAYS: gettext_lazy(
        "Everybody is measured, except people who refused, and except people in countries that require a yes. "
        "A website in such a country needs a legal justification."
    ),
}
# Those of the EEA and its neighbours that Django can name.
NOTICE_LANGUAGES = "bg cs da de el en es et fi fr ga hr hu it lt lv nl pl pt ro sk sl sv"
_HOST = re.compile(r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class TrackingRadio(UnfoldAdminRadioSelectWidget):
    """A radio group with a sentence under each choice."""

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        context = self.get_context(name, value, attrs)
        options = [
            {**option, "sentence": SENTENCES[EmailTracking(option["value"])]}
            for _group, group_options, _index in context["widget"]["optgroups"]
            for option in group_options
        ]
        return render_to_string("consent/_tracking_radio.html", {"widget": context["widget"], "options": options})


def tracking_field(choices: Iterable[tuple[str, Any]] = CHOICES, **kwargs: Any) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=gettext_lazy("Email tracking"), choices=list(choices), widget=TrackingRadio(), **kwargs
    )


def host_of(text: str) -> str:
    """A host name out of what people paste: an address, upper case, a final slash, letters of their language."""
    host = urlsplit(text if "//" in text else f"//{text}").hostname or ""
    try:
        host = host.rstrip(".").encode("idna").decode()
    except UnicodeError:
        host = ""
    if not _HOST.fullmatch(host):
        raise forms.ValidationError(_("This is not a host name. For example: www.example.org"))
    return host


class WebsiteForm(forms.ModelForm):
    """A website with its policy. What the rules refuse is said beside the field that it is about."""

    # Set by the admin, per request.
    organization: ClassVar[Organization]
    author: ClassVar[User]

    email_tracking = tracking_field(required=False)
    reason = forms.CharField(
        label=gettext_lazy("Reason for the change"),
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("Kept with the change. Needed when more is to be measured than before."),
    )

    class Meta:
        model = Website
        fields = (
            "name",
            "domain",
            "country",
            "declared_country",
            "tracking_domain",
            "sender_name",
            "sender_email",
            "email_tracking",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "email_tracking" in self.fields and is_french(str(self.instance.country)):
            self.fields["email_tracking"].help_text = _(
                "French law covers this website: measuring an open or a click needs the person's yes. It started on "
                "Never track; whoever changes that does so with a recorded reason."
            )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        same = Website.objects.filter(organization=self.organization, name=name).exclude(pk=self.instance.pk)
        if same.exists():
            raise forms.ValidationError(_("There is a website with this name already."))
        return name

    def clean_domain(self) -> str:
        return host_of(self.cleaned_data["domain"])

    def clean_tracking_domain(self) -> str:
        text: str = self.cleaned_data["tracking_domain"]
        return host_of(text) if text else ""

    def policy(self) -> WebsitePolicy:
        return WebsitePolicy(
            country=str(self.cleaned_data["country"]),
            declared_country=str(self.cleaned_data.get("declared_country") or ""),
            tracking=self.cleaned_data.get("email_tracking") or EmailTracking.NEVER.value,
        )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.instance.pk is None or self.errors:
            return cleaned
        current = Website.objects.get(organization=self.organization, pk=self.instance.pk)
        problems = problems_of_policy(
            self.organization,
            current,
            self.policy(),
            reason=cleaned.get("reason") or "",
            author=self.author,
            now=timezone.now(),
        )
        for field, problem in problems.items():
            self.add_error(field, problem)
        return cleaned


class ChangeTrackingForm(forms.Form):
    """One setting for one or several websites."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=500,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("Kept with the change of each website."),
    )

    def __init__(self, *args: Any, only_stop: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields = {"tracking": tracking_field(CHOICES[:1] if only_stop else CHOICES), **self.fields}


class NoticeForm(forms.Form):
    """What people are told before anything is measured."""

    language = forms.ChoiceField(label=gettext_lazy("Language"), widget=UnfoldAdminSelectWidget())
    text = forms.CharField(
        label=gettext_lazy("Text"),
        max_length=20_000,
        widget=UnfoldAdminTextareaWidget(),
        help_text=gettext_lazy("Says that opens and clicks are measured, what for, for how long, and how to refuse."),
    )
    url = forms.URLField(
        label=gettext_lazy("Where people find it"),
        max_length=500,
        assume_scheme="https",
        validators=[URLValidator(schemes=["http", "https"])],
        widget=UnfoldAdminURLInputWidget(),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [code for code in NOTICE_LANGUAGES.split() if code in LANG_INFO]
        names = [(code, get_language_info(code)["name_translated"]) for code in known]
        cast("forms.ChoiceField", self.fields["language"]).choices = names


class JustificationForm(forms.Form):
    """Why, for which countries, until when."""

    countries = forms.MultipleChoiceField(
        label=gettext_lazy("Countries"),
        widget=UnfoldAdminSelect2MultipleWidget(),
        help_text=gettext_lazy("The website's own country, and those of the people that it is about."),
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=20_000,
        widget=UnfoldAdminTextareaWidget(),
        help_text=gettext_lazy("On what the organization relies, and who examined it."),
    )
    ends_on = forms.DateField(
        label=gettext_lazy("Ends on"),
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "class": " ".join(INPUT_CLASSES)}),
        help_text=gettext_lazy("The last day that it counts. Then the website behaves as By consent."),
    )

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("forms.ChoiceField", self.fields["countries"]).choices = list(countries)
        self.fields["ends_on"].widget.attrs["min"] = today.isoformat()


class ConfirmForm(forms.Form):
    """The second person's opinion."""

    note = forms.CharField(
        label=gettext_lazy("Opinion"),
        required=False,
        max_length=20_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


class NoteForm(forms.Form):
    """What the second person says, or the data protection officer."""

    note = forms.CharField(
        label=gettext_lazy("Opinion or note"),
        required=False,
        max_length=5_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
