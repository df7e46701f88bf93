"""Forms of the console: a participant, and a choice recorded for one."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from typing import Any

from django import forms
from django.core.validators import ProhibitNullCharactersValidator
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_countries import countries
from unfold.widgets import (
    BASE_INPUT_CLASSES,
    INPUT_CLASSES,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from accounts.models import Organization
from consent.rules import ChoiceValue
from delivery.services import is_suppressed_hash
from intake.reasons import ERASED
from intake.rules import (
    MAX_ATTRIBUTE,
    MAX_ATTRIBUTE_NAME,
    MAX_TEXT,
)
from participants.models import Participant
from participants.reasons import EMAIL_FAULTS
from participants.rules import AddressError, parse_email, parse_locale


def _day_widget() -> forms.DateInput:
    """The browser's own calendar."""
    return forms.DateInput(attrs={"type": "date", "class": " ".join(INPUT_CLASSES)}, format="%Y-%m-%d")


class AttributesWidget(forms.Widget):
    """A row for each attribute and two for new ones; needs no script."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[tuple[str, str]] | None:
        if self.value_omitted_from_data(data, files, name):
            return None
        return list(zip(data.getlist(f"{name}-name"), data.getlist(f"{name}-value"), strict=False))

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}-name" not in data

    def id_for_label(self, id_: str) -> str:
        """Each field of a row has a label of its own."""
        return ""

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        rows = [row for row in attribute_rows(value) if any(row)]
        context = {"name": name, "rows": [*rows, ("", ""), ("", "")], "classes": " ".join(BASE_INPUT_CLASSES)}
        return render_to_string("intake/_attributes.html", context)


class AttributesField(forms.Field):
    """Names with values, as typed; the form makes attributes of them."""

    widget = AttributesWidget

    def has_changed(self, initial: Any, data: Any) -> bool:
        return data is not None and [row for row in attribute_rows(data) if any(row)] != attribute_rows(initial)


def attribute_rows(value: Any) -> list[tuple[str, str]]:
    """Names and values as they are shown: what is no text as JSON, lines ended as in the database."""
    if isinstance(value, dict):
        pairs = [
            (name, one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)) for name, one in value.items()
        ]
    else:
        pairs = value or []
    return [(name.strip(), text.replace("\r\n", "\n").strip()) for name, text in pairs]


class ParticipantForm(forms.ModelForm):
    """A person's data. The address is checked, and compared by its normalised form."""

    country = forms.ChoiceField(
        label=gettext_lazy("Country"),
        required=False,
        choices=lambda: [("", gettext_lazy("Unknown")), *countries],
        help_text=gettext_lazy("Its rules decide what may be measured. Unknown counts as the strictest."),
        widget=UnfoldAdminSelectWidget,
    )

    attributes = AttributesField(
        label=gettext_lazy("Attributes"),
        required=False,
        help_text=gettext_lazy("Emails can show them by their names. Empty a value to remove it."),
    )

    class Meta:
        model = Participant
        fields = ("email", "country", "locale", "first_name", "last_name", "external_id", "attributes")

    def clean_email(self) -> str:
        text = self.cleaned_data["email"]
        try:
            address = parse_email(text)
        except AddressError as error:
            raise forms.ValidationError(EMAIL_FAULTS[error.fault]) from error
        organization = self.instance.organization if self.instance.pk else self.organization
        others = Participant.objects.filter(organization=organization, email_norm=address.norm)
        if others.exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(_("Another participant has this email address."))
        if is_suppressed_hash(organization, address.norm):
            raise forms.ValidationError(ERASED)
        return address.email

    # Set by the admin for each request; a new person has no organization yet.
    organization: Organization

    def clean_locale(self) -> str:
        locale = parse_locale(self.cleaned_data["locale"])
        if locale is None:
            raise forms.ValidationError(_("Write a language such as fr or fr-BE."))
        return locale

    def clean_attributes(self) -> dict[str, Any]:
        """What was not touched stays what it was: a number, a list."""
        before: dict[str, Any] = self.instance.attributes
        shown = dict(attribute_rows(before))
        after: dict[str, Any] = {}
        for name, text in attribute_rows(self.cleaned_data["attributes"]):
            if name in after:
                raise forms.ValidationError(_("Two attributes are named “%(name)s”.") % {"name": name})
            if name in before and shown[name] == text:
                after[name] = before[name]
            elif text:
                after[name] = _checked_attribute(name, text)
        return after


def _checked_attribute(name: str, text: str) -> str:
    if not name:
        raise forms.ValidationError(_("Give “%(value)s” a name.") % {"value": text[:MAX_ATTRIBUTE_NAME]})
    if len(name) > MAX_ATTRIBUTE_NAME or len(text) > MAX_ATTRIBUTE:
        limits = {"name": MAX_ATTRIBUTE_NAME, "value": MAX_ATTRIBUTE}
        raise forms.ValidationError(_("A name has %(name)s letters at most, a value %(value)s.") % limits)
    ProhibitNullCharactersValidator()(name + text)
    return text


_ANSWERS = [("", gettext_lazy("No change")), ("yes", gettext_lazy("Yes")), ("no", gettext_lazy("No"))]


class ChoiceForm(forms.Form):
    """A choice that a member records for a person: a no at any time, a yes only with evidence (rules C6)."""

    opens = forms.ChoiceField(
        label=gettext_lazy("Opens"), choices=_ANSWERS, required=False, widget=UnfoldAdminRadioSelectWidget
    )
    clicks = forms.ChoiceField(
        label=gettext_lazy("Clicks"), choices=_ANSWERS, required=False, widget=UnfoldAdminRadioSelectWidget
    )
    happened_on = forms.DateField(
        label=gettext_lazy("When the person said so"),
        widget=_day_widget(),
    )
    wording = forms.CharField(
        max_length=5000,
        required=False,
        label=gettext_lazy("What the person was asked"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    evidence = forms.CharField(
        max_length=MAX_TEXT * 10,
        required=False,
        label=gettext_lazy("Evidence"),
        help_text=gettext_lazy("A yes needs it: a letter, a call, a paper form, and where it can be found."),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )

    def clean_happened_on(self) -> date:
        day: date = self.cleaned_data["happened_on"]
        if day > timezone.localdate():
            raise forms.ValidationError(_("This day is yet to come."))
        return day

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        answers = (cleaned.get("opens"), cleaned.get("clicks"))
        if not any(answers):
            raise forms.ValidationError(_("Say what the person chose about opens, clicks or both."))
        if ChoiceValue.YES in answers and not (cleaned.get("evidence") and cleaned.get("wording")):
            raise forms.ValidationError(_("A yes needs the words that the person was asked with, and the evidence."))
        return cleaned

    def answer(self, kind: str) -> ChoiceValue | None:
        text = self.cleaned_data[kind]
        return ChoiceValue(text) if text else None

    def happened_at(self, now: datetime) -> datetime:
        """Today means now; another day, its beginning."""
        day: date = self.cleaned_data["happened_on"]
        return now if day == timezone.localdate(now) else timezone.make_aware(datetime.combine(day, time.min))
