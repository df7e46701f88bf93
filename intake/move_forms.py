"""Forms for consent that was kept elsewhere: what values mean, and where answers come from."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from intake.moving import MovePlan
from intake.rules import PROVENANCE
from websites.models import ConsentScope

MEANINGS = [("", _("Says nothing")), ("yes", _("Yes")), ("no", _("No"))]


class ProvenanceForm(forms.Form):
    """Where answers come from (rule C7)."""

    where = forms.CharField(max_length=300, required=False, label=_("Where the answers were collected"))
    collected_at = forms.DateField(
        required=False, label=_("When"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    wording = forms.CharField(
        max_length=5000,
        required=False,
        label=_("The wording that people saw"),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    evidence = forms.CharField(max_length=1000, required=False, label=_("Where the evidence can be looked up"))
    vouched_by = forms.CharField(max_length=200, required=False, label=_("Who vouches for it"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.setdefault("class", "campaigns-input")

    def provenance(self) -> dict[str, str]:
        """As imports keep it."""
        return {part: str(self.cleaned_data.get(part) or "") for part in PROVENANCE}

    @property
    def provenance_fields(self) -> list[forms.BoundField]:
        return [self[part] for part in PROVENANCE]


class EvidenceForm(ProvenanceForm):
    """All of it, added later for yeses that were listed without."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = True


class MoveForm(ProvenanceForm):
    """What each value of an attribute means, for what, and in which scope."""

    about = forms.ChoiceField(
        label=_("The answers are about"),
        choices=[("both", _("Opens and clicks")), ("opens", _("Opens")), ("clicks", _("Clicks"))],
    )
    scope = forms.ChoiceField(label=_("Consent scope"))

    def __init__(self, *args: Any, values: list[tuple[str, int]], scopes: list[ConsentScope], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._values, self._scopes = values, {str(scope.pk): scope for scope in scopes}
        choices = [(key, scope.name) for key, scope in self._scopes.items()]
        cast("forms.ChoiceField", self.fields["scope"]).choices = choices
        for number, (value, _people) in enumerate(values):
            self.fields[f"value_{number}"] = forms.ChoiceField(
                label=value or _("empty"),
                choices=MEANINGS,
                required=False,
                widget=forms.Select(attrs={"class": "campaigns-input"}),
            )

    def rows(self) -> list[tuple[forms.BoundField, int]]:
        """Each value's field, and how many people have the value."""
        return [(self[f"value_{number}"], people) for number, (_value, people) in enumerate(self._values)]

    def plan(self, attribute: str) -> MovePlan:
        """What was decided, for the services to check."""
        cleaned = self.cleaned_data
        return MovePlan(
            attribute=attribute,
            scope=self._scopes[cleaned["scope"]],
            mapping={value: cleaned[f"value_{number}"] for number, (value, _people) in enumerate(self._values)},
            opens=cleaned["about"] in ("both", "opens"),
            clicks=cleaned["about"] in ("both", "clicks"),
            provenance=self.provenance(),
        )
