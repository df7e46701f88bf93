"""The form of a segment. It needs no script: each button sends everything that was typed, and the page comes back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_countries import countries

from accounts.models import Organization
from campaigns.models import Campaign, Launch, Question
from campaigns.segments import ABOUT, SegmentError, read_row
from campaigns.segments.grammar import MOST_ROWS, About
from consent.models import Topic
from participants.models import Participant
from websites.models import ConsentScope

# How many people are asked for the names of their attributes.
_SAMPLE = 500
_LAUNCHES = _QUESTIONS = 100
VALUE_LABELS = {
    "countries": gettext_lazy("Countries"),
    "locales": gettext_lazy("Languages, such as “fr” or “fr-BE”"),
    "name": gettext_lazy("Name of the attribute"),
    "value": gettext_lazy("Value"),
    "campaign": gettext_lazy("Campaign"),
    "since": gettext_lazy("First day"),
    "until": gettext_lazy("Last day"),
    "days": gettext_lazy("Within so many days until now"),
    "kind": gettext_lazy("Of"),
    "scope": gettext_lazy("Consent scope"),
    "topic": gettext_lazy("Topic"),
    "launch": gettext_lazy("Sent email"),
    "question": gettext_lazy("Question"),
    "answer": gettext_lazy("Answer"),
    "with_non_trackable": gettext_lazy("Include people who could not be measured"),
}
_TYPES = {"since": "date", "until": "date", "days": "number", "with_non_trackable": "checkbox", "countries": "many"}


@dataclass(slots=True)
class ValueField:
    """One field of a condition, as the page shows it."""

    name: str
    label: str
    type: str
    value: Any
    choices: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class RowForm:
    """One condition, as the page shows it."""

    number: int
    about: str
    label: str
    op: str
    ops: list[tuple[str, str]]
    fields: list[ValueField]
    error: str = ""
    non_trackable: int | None = None

    @property
    def prefix(self) -> str:
        return f"row-{self.number}"


class SegmentForm:
    """The conditions of a segment, as typed or as stored."""

    def __init__(self, organization: Organization, raw_rows: list[dict[str, Any]], *, match: str) -> None:
        self._organization = organization
        self._choices: dict[str, list[tuple[str, str]]] = {}
        self.raw_rows = raw_rows
        self.match = match if match in ("all", "any") else "all"
        self.rows = [self._row(number, raw) for number, raw in enumerate(raw_rows)]

    @property
    def raw(self) -> dict[str, Any]:
        """For ``segments.read_definition``."""
        return {"match": self.match, "rows": self.raw_rows}

    def name_errors(self) -> bool:
        """Say at each condition what is wrong with it; whether anything is."""
        for shown, raw in zip(self.rows, self.raw_rows, strict=True):
            try:
                read_row(raw)
            except SegmentError as error:
                shown.error = str(error)
        return any(row.error for row in self.rows)

    def _row(self, number: int, raw: Mapping[str, Any]) -> RowForm:
        about = ABOUT[raw["about"]]
        return RowForm(
            number=number,
            about=raw["about"],
            label=str(about.label),
            op=str(raw.get("op", "")),
            ops=[(name, str(label)) for name, label in about.ops.items()],
            fields=[self._field(name, raw) for name in self._shown(about)],
        )

    def _shown(self, about: About) -> list[str]:
        """A choice of one is none."""
        return [name for name in about.values if name != "scope" or len(self._options("scope")) > 2]

    def _field(self, name: str, raw: Mapping[str, Any]) -> ValueField:
        value = raw.get(name, "")
        choices = self._answers_to(raw.get("question")) if name == "answer" else self._options(name)
        kind = _TYPES.get(name, "select" if choices else "text")
        label = str(VALUE_LABELS[name])
        if name == "locales" and isinstance(value, list):
            value = ", ".join(value)
        if kind == "many":
            value = value if isinstance(value, list) else []
            # Those that were chosen first, where they can be seen.
            choices = sorted(choices, key=lambda choice: choice[0] not in value)
        elif kind == "checkbox":
            value = value in (True, "on")
        else:
            value = "" if value is None else str(value)
        return ValueField(name, label, kind, value, choices)

    def _options(self, name: str) -> list[tuple[str, str]]:
        """What can be chosen; each list is read once."""
        if name not in self._choices:
            make = getattr(self, f"_{name}_options", None)
            self._choices[name] = make() if make else []
        return self._choices[name]

    def _countries_options(self) -> list[tuple[str, str]]:
        return [("ZZ", _("unknown country")), *((code, str(name)) for code, name in countries)]

    def _kind_options(self) -> list[tuple[str, str]]:
        return [("opens", _("opens")), ("clicks", _("clicks"))]

    def _campaign_options(self) -> list[tuple[str, str]]:
        found = Campaign.objects.filter(organization=self._organization).order_by("name")
        return [("", _("any campaign")), *((str(pk), name) for pk, name in found.values_list("pk", "name"))]

    def _scope_options(self) -> list[tuple[str, str]]:
        found = ConsentScope.objects.filter(organization=self._organization).order_by("name")
        return [("", _("the organization's")), *((str(pk), name) for pk, name in found.values_list("pk", "name"))]

    def _topic_options(self) -> list[tuple[str, str]]:
        found = Topic.objects.filter(organization=self._organization).order_by("website__name", "name")
        rows = found.values_list("pk", "website__name", "name")
        return [("", "—"), *((str(pk), f"{website} · {name}") for pk, website, name in rows)]

    def _launch_options(self) -> list[tuple[str, str]]:
        found = Launch.objects.filter(organization=self._organization, mailing__expanded_at__isnull=False)
        rows = found.order_by("-pk").values_list("pk", "email__name", "mailing__not_before")[:_LAUNCHES]
        return [("", "—"), *((str(pk), f"{name} · {at:%Y-%m-%d}") for pk, name, at in rows)]

    def _question_options(self) -> list[tuple[str, str]]:
        found = ((str(one.pk), f"{one.email.name} · {one.text}") for one in self._questions.values())
        return [("", _("any question")), *found]

    @cached_property
    def _questions(self) -> dict[str, Question]:
        """What was asked lately, and what these conditions name, by number."""
        asked = Question.objects.filter(organization=self._organization).select_related("email")
        latest = asked.filter(
            email__launches__organization=self._organization, email__launches__mailing__expanded_at__isnull=False
        )
        named = [str(raw.get("question") or "") for raw in self.raw_rows]
        kept = asked.filter(pk__in=[number for number in named if number.isdecimal() and len(number) < 19])
        found = [*latest.order_by("-pk").distinct()[:_QUESTIONS], *kept.order_by("-pk")]
        return {str(one.pk): one for one in found}

    def _answers_to(self, question: Any) -> list[tuple[str, str]]:
        """Each names its question, so that another question takes the choice along."""
        asked = self._questions.get(str(question or ""))
        options = enumerate(asked.options, start=1) if asked is not None else ()
        return [("", "—"), *((f"{question}:{number}", str(option)) for number, option in options)]

    def attribute_names(self) -> list[str]:
        """Names that some people have, to choose from."""
        found = Participant.objects.filter(organization=self._organization).exclude(attributes={}).order_by("-pk")
        return sorted({name for kept in found.values_list("attributes", flat=True)[:_SAMPLE] for name in kept})


def stored_form(organization: Organization, definition: Mapping[str, Any]) -> SegmentForm:
    """A segment as it is kept; empty for a new one."""
    rows = [row for row in definition.get("rows", []) if row.get("about") in ABOUT]
    return SegmentForm(organization, rows, match=definition.get("match", "all"))


def typed_form(organization: Organization, data: QueryDict) -> SegmentForm:
    """A segment as it was typed, after the button that was pressed: a condition added, or taken away."""
    numbers = sorted({int(found[1]) for name in data if (found := re.fullmatch(r"row-(\d{1,3})-about", name))})
    gone = data.get("remove", "")
    rows = [
        _typed_row(data, number) for number in numbers if data[f"row-{number}-about"] in ABOUT and str(number) != gone
    ]
    new = str(data.get("new_about", ""))
    if "add" in data and new in ABOUT and len(rows) < MOST_ROWS:
        rows.append({"about": new, "op": next(iter(ABOUT[new].ops))})
    return SegmentForm(organization, rows, match=data.get("match", "all"))


def _typed_row(data: QueryDict, number: int) -> dict[str, Any]:
    about = str(data[f"row-{number}-about"])
    raw: dict[str, Any] = {"about": about, "op": data.get(f"row-{number}-op", "")}
    for name in ABOUT[about].values:
        values = data.getlist(f"row-{number}-{name}")
        raw[name] = values if name == "countries" else (values[0] if values else "")
    return raw
