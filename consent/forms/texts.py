"""The forms below a website: notices, justifications, stops, and what a second person says."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, cast

from django import forms
from django.conf.locale import LANG_INFO
from django.core.validators import URLValidator
from django.db.models import QuerySet
from django.utils.translation import get_language_info, gettext_lazy
from django_countries import countries
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldAdminURLInputWidget,
)

from consent.reasons import MEASUREMENTS, RULE_KEYS
from websites.models import Website
from websites.rules import RuleKey

# Those of the EEA and its neighbours that Django can name.
NOTICE_LANGUAGES = "bg cs da de el en es et fi fr ga hr hu it lt lv nl pl pt ro sk sl sv"
# What a legal justification can loosen; an exempt purpose has an approval of its own (rule S6).
LOOSENED = frozenset(
    {
        RuleKey.INDIVIDUAL_OPENS,
        RuleKey.INDIVIDUAL_CLICKS,
        RuleKey.ANONYMOUS_OPENS,
        RuleKey.ANONYMOUS_CLICKS,
        RuleKey.LAST_OPEN_DAY,
        RuleKey.INFORMED_DID_NOT_REFUSE,
        RuleKey.PROFESSIONALS_OPT_OUT,
    }
)


@cache
def notice_texts() -> dict[str, dict[str, str]]:
    """The texts to start a notice from, by language."""
    return tomllib.loads(Path(__file__).with_name("notice_texts.toml").read_text(encoding="utf-8"))


def starting_text(language: str, covers: Iterable[str], *, name: str, website: str) -> str:
    """What a notice in a language may begin as; empty in a language that we have none for."""
    parts = notice_texts().get(language)
    if parts is None:
        return ""
    wanted = ["intro", *(one.value for one in MEASUREMENTS if one.value in set(covers)), "outro"]
    # Names are typed by members and may hold braces.
    return "\n\n".join(parts[part].replace("{name}", name).replace("{website}", website) for part in wanted)


class NoticeForm(forms.Form):
    """What people are told before anything is measured."""

    language = forms.ChoiceField(label=gettext_lazy("Language"), widget=UnfoldAdminSelectWidget())
    covers = forms.MultipleChoiceField(
        label=gettext_lazy("Tells of"),
        choices=[(one.value, label) for one, label in MEASUREMENTS.items()],
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text=gettext_lazy("What the text does not tell of is not measured."),
    )
    text = forms.CharField(
        label=gettext_lazy("Text"),
        max_length=20_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 16}),
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

    rule_keys = forms.MultipleChoiceField(
        label=gettext_lazy("Loosens"),
        choices=[(key.value, label) for key, label in RULE_KEYS.items() if key in LOOSENED],
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text=gettext_lazy("The rows of the rule table that it loosens in these countries."),
    )
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
        help_text=gettext_lazy("The last day that it counts. Then the rule table holds again."),
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


class StopForm(forms.Form):
    """Stop measuring now, or the wish to measure again: why."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=500,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("Kept with the website's history."),
    )


class MoveForm(forms.Form):
    """A website that is to belong to another consent scope."""

    website = forms.ModelChoiceField(
        label=gettext_lazy("Website"), queryset=Website.objects.none(), widget=UnfoldAdminSelectWidget()
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=500,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("The second person reads it, and it is kept."),
    )

    def __init__(self, *args: Any, websites: QuerySet[Website], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("forms.ModelChoiceField", self.fields["website"]).queryset = websites
