"""What a person can say on a public page."""

from __future__ import annotations

from dataclasses import dataclass

from django import forms
from django.utils.translation import gettext_lazy as _

from consent.rules import ChoiceValue

ANSWERS = [("yes", _("Yes")), ("no", _("No"))]


class PreferencesForm(forms.Form):
    """Opens and clicks apart; nothing is ticked for the person, and an untouched question writes nothing (rule C2)."""

    # Two buttons of the same weight answer both questions at once.
    both = forms.ChoiceField(choices=ANSWERS, required=False)
    opens = forms.ChoiceField(choices=ANSWERS, required=False, widget=forms.RadioSelect)
    clicks = forms.ChoiceField(choices=ANSWERS, required=False, widget=forms.RadioSelect)

    def answers(self) -> Answers:
        data = self.cleaned_data
        return Answers(_value(data["both"] or data["opens"]), _value(data["both"] or data["clicks"]))


@dataclass(frozen=True, slots=True)
class Answers:
    opens: ChoiceValue | None
    clicks: ChoiceValue | None

    @property
    def empty(self) -> bool:
        return self.opens is None and self.clicks is None


def _value(answer: str) -> ChoiceValue | None:
    return ChoiceValue(answer) if answer else None
