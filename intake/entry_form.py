"""The questions of a participation page as one person gets them, and what they answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_countries import countries

from consent.models import Topic
from consent.rules import ChoiceValue, Kind
from intake.answers import Entry, Tracking
from intake.models import ConsentVariant, EntryForm, FieldKind, FormField
from intake.tokens import Shown
from participants.reasons import EMAIL_FAULTS
from participants.rules import AddressError, parse_email

# A person leaves it empty, since nobody sees it; programs that fill in everything do not.
TRAP = "more_about_this"
MANY_OPTIONS = 6
SHORT, LONG = 300, 4000
COLUMN_LENGTHS = {"first_name": 120, "last_name": 120}
AUTOCOMPLETE = {"first_name": "given-name", "last_name": "family-name"}
FILLED_TRAP = gettext_lazy("A field that people do not see was filled in. Please send the form once more.")


@dataclass(frozen=True, slots=True)
class Question:
    """One field as the page shows it: a label over one control, a group of controls, or boxes with their wordings."""

    # "control", "group", "boxes"
    layout: str
    bound: list[forms.BoundField]
    label: str = ""
    help: str = ""
    required: bool = False


def label_of(question: FormField, language: str, first: str) -> str:
    """In the language of the page, else in the form's first one."""
    texts = question.texts
    return str(texts.get(language, {}).get("label") or texts.get(first, {}).get("label") or question.name)


def options_of(question: FormField, language: str, first: str) -> list[tuple[str, str]]:
    """What is kept, and what is read. An option that lacks a translation is read as it is kept."""
    kept = question.texts.get(first, {}).get("options", [])
    read = question.texts.get(language, {}).get("options", [])
    return [(value, read[place] if place < len(read) and read[place] else value) for place, value in enumerate(kept)]


class PublicEntryForm(forms.Form):
    """Built of the fields of one form; what it asks about being measured is what the page showed."""

    def __init__(
        self,
        entry_form: EntryForm,
        questions: Sequence[FormField],
        shown: Shown,
        *,
        wordings: Mapping[int, str],
        scopes: int = 1,
        source: str = "",
        data: QueryDict | None = None,
    ) -> None:
        super().__init__(data, prefix=None, label_suffix="")
        self.entry_form, self.shown, self.scopes = entry_form, shown, scopes
        self._asked = list(questions)
        self._wordings = wordings
        self._first = entry_form.languages[0] if entry_form.languages else "en"
        self.fields[TRAP] = forms.CharField(required=False, max_length=LONG)
        for question in self._asked:
            for name, built in self._build(question, source):
                self.fields[name] = built

    # --- Building

    def _build(self, question: FormField, source: str) -> Iterator[tuple[str, forms.Field]]:
        kind = FieldKind(question.kind)
        if kind is FieldKind.TRACKING_CONSENT:
            yield from self._tracking_boxes()
        elif kind is FieldKind.TOPIC:
            if question.topic_id in self.shown.topics:
                label = self._wordings.get(self.shown.topics[question.topic_id], "")
                yield _name(question), forms.BooleanField(label=label, required=False)
        elif kind is FieldKind.HIDDEN:
            yield (
                _name(question),
                forms.CharField(required=False, max_length=120, initial=source, widget=forms.HiddenInput),
            )
        else:
            yield _name(question), self._plain(question, kind)

    def _plain(self, question: FormField, kind: FieldKind) -> forms.Field:
        label = label_of(question, self.shown.language, self._first)
        common: dict[str, Any] = {"label": label, "required": question.required, "help_text": self._help(question)}
        options = options_of(question, self.shown.language, self._first)
        if kind is FieldKind.EMAIL:
            widget = forms.EmailInput(attrs={"autocomplete": "email"})
            return EntryEmailField(label=label, max_length=254, widget=widget, help_text=common["help_text"])
        if kind is FieldKind.LONG_TEXT:
            return forms.CharField(max_length=LONG, widget=forms.Textarea(attrs={"rows": 4}), **common)
        if kind is FieldKind.CHOICE:
            if len(options) > MANY_OPTIONS:
                return forms.ChoiceField(choices=[("", _("Please choose")), *options], **common)
            return forms.ChoiceField(choices=options, widget=forms.RadioSelect, **common)
        if kind is FieldKind.MULTIPLE_CHOICE:
            return forms.MultipleChoiceField(choices=options, widget=forms.CheckboxSelectMultiple, **common)
        if kind is FieldKind.COUNTRY:
            choices = [("", _("Please choose")), *countries]
            attributes = {"autocomplete": "country"}
            return forms.ChoiceField(choices=choices, widget=forms.Select(attrs=attributes), **common)
        if kind is FieldKind.DATE:
            return forms.DateField(widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), **common)
        if kind is FieldKind.CHECKBOX:
            return forms.BooleanField(**common)
        autocomplete = {"autocomplete": AUTOCOMPLETE[question.target]} if question.target in AUTOCOMPLETE else {}
        most = COLUMN_LENGTHS.get(question.target, SHORT)
        return forms.CharField(max_length=most, widget=forms.TextInput(attrs=autocomplete), **common)

    def _help(self, question: FormField) -> str:
        texts = question.texts
        return str(texts.get(self.shown.language, {}).get("help") or texts.get(self._first, {}).get("help") or "")

    def _tracking_boxes(self) -> Iterator[tuple[str, forms.Field]]:
        """Unticked, and never required: whoever leaves them alone says nothing (rule C2)."""
        for kind, text in self.shown.texts.items():
            label = self._wordings.get(text, "")
            if self.shown.variant == ConsentVariant.YES_NO:
                yield (
                    "tracking",
                    forms.ChoiceField(label=label, required=False, choices=self._yes_no(), widget=forms.RadioSelect),
                )
            else:
                ticked = self.shown.variant == ConsentVariant.PROFESSIONAL
                yield f"tracking_{kind}", forms.BooleanField(label=label, required=False, initial=ticked)

    def _yes_no(self) -> list[tuple[str, str]]:
        answers = [("yes", _("Yes, this may be measured")), ("no", _("No, do not measure this"))]
        if self.scopes > 1:
            organization = self.entry_form.organization
            name = organization.legal_name or organization.name
            answers.append(("everywhere", _("No, on no website of %(organization)s") % {"organization": name}))
        return answers

    # --- Showing

    def questions(self) -> list[Question]:
        """In their order, without what people do not see."""
        shown = [self._question(question) for question in self._asked if question.kind != FieldKind.HIDDEN]
        return [question for question in shown if question.bound]

    def hidden(self) -> list[forms.BoundField]:
        return [self[name] for name, built in self.fields.items() if built.widget.is_hidden]

    def _question(self, question: FormField) -> Question:
        kind = FieldKind(question.kind)
        if kind is FieldKind.TRACKING_CONSENT:
            boxes = [self[name] for name in self.fields if name.startswith("tracking")]
            if self.shown.variant == ConsentVariant.YES_NO:
                return Question("group", boxes, str(boxes[0].label) if boxes else "")
            return Question("boxes", boxes)
        name = _name(question)
        if name not in self.fields:
            return Question("control", [])
        bound = self[name]
        if kind in (FieldKind.TOPIC, FieldKind.CHECKBOX):
            return Question("boxes", [bound], required=bound.field.required)
        grouped = isinstance(bound.field.widget, (forms.RadioSelect, forms.CheckboxSelectMultiple))
        return Question(
            "group" if grouped else "control",
            [bound],
            label=str(bound.label),
            help=str(bound.help_text),
            required=bound.field.required,
        )

    # --- Reading

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get(TRAP):
            # Emptied, so that somebody whose browser filled it in can send the form again.
            data = cast("QueryDict", self.data).copy()
            data[TRAP] = ""
            self.data = data
            raise forms.ValidationError(FILLED_TRAP)
        return cleaned

    def entry(self) -> Entry:
        """What was filled in. The form is valid."""
        columns: dict[str, str] = {}
        attributes: dict[str, Any] = {}
        answers: dict[str, Any] = {}
        email = source = ""
        topics: list[tuple[Topic, int]] = []
        for question in self._asked:
            answer = self.cleaned_data.get(_name(question))
            if question.kind == FieldKind.EMAIL:
                email = str(answer)
            elif question.kind == FieldKind.HIDDEN:
                source = str(answer or "")
            elif question.kind == FieldKind.TOPIC:
                if answer and question.topic is not None:
                    topics.append((question.topic, self.shown.topics[question.topic.pk]))
            elif question.kind != FieldKind.TRACKING_CONSENT:
                kept = _kept(question, answer)
                answers[question.name] = kept
                if kept and question.target == "attribute":
                    attributes[question.name] = kept
                elif kept and question.target:
                    columns[question.target] = str(kept)
        return Entry(email, columns, attributes, answers, source, self._tracking(), topics)

    def _tracking(self) -> Tracking:
        variant, data = self.shown.variant, self.cleaned_data
        texts = {kind: text for kind, text in self._texts_by_kind().items() if text}
        if variant == ConsentVariant.YES_NO:
            answer = data.get("tracking")
            value = {"yes": ChoiceValue.YES, "no": ChoiceValue.NO, "everywhere": ChoiceValue.NO}.get(answer or "")
            return Tracking(value, value, everywhere=answer == "everywhere", texts=texts)
        if variant == ConsentVariant.ONE_BOX:
            value = ChoiceValue.YES if data.get("tracking_both") else None
            return Tracking(value, value, texts=texts)
        if variant == ConsentVariant.TWO_BOXES:
            opens, clicks = (ChoiceValue.YES if data.get(f"tracking_{kind}") else None for kind in Kind)
            return Tracking(opens, clicks, texts=texts)
        if variant == ConsentVariant.PROFESSIONAL:
            if data.get("tracking_professional"):
                return Tracking(informed=True, texts=texts)
            return Tracking(ChoiceValue.NO, ChoiceValue.NO, texts=texts)
        return Tracking()

    def _texts_by_kind(self) -> dict[Kind, int]:
        shown = self.shown.texts
        return {kind: shown.get(kind.value) or next(iter(shown.values()), 0) for kind in (Kind.OPENS, Kind.CLICKS)}


class EntryEmailField(forms.CharField):
    """One address that we can write to, refused in the words that imports use."""

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        try:
            return parse_email(text).email
        except AddressError as error:
            raise forms.ValidationError(EMAIL_FAULTS[error.fault]) from error


def _name(question: FormField) -> str:
    return f"q{question.pk}"


def _kept(question: FormField, answer: Any) -> Any:
    if question.kind == FieldKind.CHECKBOX:
        return bool(answer)
    return answer.isoformat() if isinstance(answer, date) else answer or ""
