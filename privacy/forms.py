"""What a person can say on a public page."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from consent.rules import ChoiceValue

ANSWERS = [("yes", _("Yes")), ("no", _("No"))]


class PreferencesForm(forms.Form):
    """Opens and clicks apart; nothing is ticked for the person, and an untouched question writes nothing (rule C2)."""

    # Two buttons of the same weight answer both questions at once.
    both = forms.ChoiceField(choices=ANSWERS, required=False)
    about_opens = forms.ChoiceField(choices=ANSWERS, required=False, widget=forms.RadioSelect)
    about_clicks = forms.ChoiceField(choices=ANSWERS, required=False, widget=forms.RadioSelect)

    def opens(self) -> ChoiceValue | None:
        return _value(self.cleaned_data["both"] or self.cleaned_data["about_opens"])

    def clicks(self) -> ChoiceValue | None:
        return _value(self.cleaned_data["both"] or self.cleaned_data["about_clicks"])


def _value(answer: str) -> ChoiceValue | None:
    return ChoiceValue(answer) if answer else None
