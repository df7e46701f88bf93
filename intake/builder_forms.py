"""Forms of the console with which a participation page is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from django import forms
from django.conf import settings
from django.http import QueryDict
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from accounts.models import Organization
from campaigns.models import Email, EmailKind
from consent.models import ConsentText, Topic
from intake.form_editing import FieldChange, PageChange
from intake.models import ConsentVariant, EntryForm, FieldKind, FormField
from intake.wordings import suggested_wording, wordings_of

TARGET_LABELS = [
    ("", _("with the entry only")),
    ("first_name", _("the person's first name")),
    ("last_name", _("the person's last name")),
    ("attribute", _("an attribute of the person")),
]
WORDING_LABELS = {
    "both": _("Words beside the box, naming opens and clicks"),
    "question": _("The question, naming opens and clicks"),
    "opens": _("Words beside the box for opens"),
    "clicks": _("Words beside the box for clicks"),
    "professional": _("Words beside the ticked box"),
    "topic": _("Words beside the box"),
}
PAGE_TEXTS = {
    "title": (_("Title"), UnfoldAdminTextInputWidget),
    "intro": (_("Introduction"), UnfoldAdminTextareaWidget),
    "button": (_("Words on the button"), UnfoldAdminTextInputWidget),
    "exit_title": (_("Title of the exit screen"), UnfoldAdminTextInputWidget),
    "exit_text": (_("Text of the exit screen"), UnfoldAdminTextareaWidget),
}
# Whose answers can be kept with the person.
KEPT = (
    FieldKind.TEXT,
    FieldKind.LONG_TEXT,
    FieldKind.CHOICE,
    FieldKind.MULTIPLE_CHOICE,
    FieldKind.DATE,
    FieldKind.CHECKBOX,
)


def language_name(code: str) -> str:
    return str(translation.get_language_info(code)["name_translated"])


class FieldForm(forms.Form):
    """One question, in every language of the form."""

    def __init__(self, question: FormField, data: QueryDict | None = None) -> None:
        super().__init__(data, label_suffix="")
        self.question, self.form_languages = question, question.form.languages
        self._kind = FieldKind(question.kind)
        self.fields["name"] = forms.CharField(
            label=_("Name in exports"), max_length=60, initial=question.name, widget=UnfoldAdminTextInputWidget
        )
        if self._kind in KEPT:
            self._add_kept(question)
        if self._kind is FieldKind.TRACKING_CONSENT:
            self.fields["variant"] = forms.ChoiceField(
                label=_("How it is asked"),
                choices=ConsentVariant.choices,
                initial=question.variant,
                widget=UnfoldAdminSelectWidget,
            )
        if self._kind is FieldKind.TOPIC:
            topics = Topic.objects.filter(organization=question.organization_id, website=question.form.campaign.website)
            self.fields["topic"] = forms.ModelChoiceField(
                topics.order_by("name"), label=_("Topic"), initial=question.topic, widget=UnfoldAdminSelectWidget
            )
        wordings = self._known_wordings()
        for language in self.form_languages:
            self._add_texts(language, wordings)

    def _add_kept(self, question: FormField) -> None:
        targets = TARGET_LABELS if self._kind is FieldKind.TEXT else [TARGET_LABELS[0], TARGET_LABELS[3]]
        self.fields["target"] = forms.ChoiceField(
            label=_("The answer is kept"),
            required=False,
            choices=targets,
            initial=question.target,
            widget=UnfoldAdminSelectWidget,
        )
        self.fields["required"] = forms.BooleanField(
            label=_("Must be answered"), required=False, initial=question.required, widget=UnfoldBooleanWidget
        )

    def _known_wordings(self) -> dict[int, str]:
        numbers = [number for each in self.question.wordings.values() for number in each.values()]
        texts = ConsentText.objects.filter(organization=self.question.organization_id, pk__in=numbers)
        return dict(texts.values_list("pk", "text"))

    def _add_texts(self, language: str, wordings: dict[int, str]) -> None:
        question, name = self.question, language_name(language)
        texts = question.texts.get(language, {})
        for wording in wordings_of(question):
            number = question.wordings.get(language, {}).get(wording)
            self.fields[f"wording_{wording}_{language}"] = forms.CharField(
                label=f"{WORDING_LABELS[wording]} ({name})",
                required=False,
                max_length=2000,
                initial=wordings.get(number or 0)
                or suggested_wording(question.organization, question, wording, language),
                widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "lang": language}),
            )
        if self._kind in (FieldKind.TRACKING_CONSENT, FieldKind.TOPIC, FieldKind.HIDDEN):
            return
        self.fields[f"label_{language}"] = forms.CharField(
            label=_("Label") + f" ({name})",
            max_length=300,
            initial=texts.get("label", ""),
            widget=UnfoldAdminTextInputWidget(attrs={"lang": language}),
        )
        self.fields[f"help_{language}"] = forms.CharField(
            label=_("Explanation") + f" ({name})",
            required=False,
            max_length=500,
            initial=texts.get("help", ""),
            widget=UnfoldAdminTextInputWidget(attrs={"lang": language}),
        )
        if self._kind in (FieldKind.CHOICE, FieldKind.MULTIPLE_CHOICE):
            self.fields[f"options_{language}"] = forms.CharField(
                label=_("Answers, one in each line") + f" ({name})",
                required=False,
                max_length=5000,
                initial="\n".join(texts.get("options", [])),
                widget=UnfoldAdminTextareaWidget(attrs={"rows": 5, "lang": language}),
            )

    def change(self) -> FieldChange:
        """What was typed. The form is valid."""
        data = self.cleaned_data
        texts: dict[str, dict[str, Any]] = {}
        wordings: dict[str, dict[str, str]] = {}
        for language in self.form_languages:
            own = {name: data[f"{name}_{language}"] for name in ("label", "help") if f"{name}_{language}" in data}
            if f"options_{language}" in data:
                lines = [line.strip() for line in data[f"options_{language}"].splitlines()]
                own["options"] = [line[:300] for line in lines if line]
            texts[language] = own
            prefix, suffix = "wording_", f"_{language}"
            wordings[language] = {
                name.removeprefix(prefix).removesuffix(suffix): words
                for name, words in data.items()
                if name.startswith(prefix) and name.endswith(suffix)
            }
        return FieldChange(
            name=data["name"],
            target=data.get("target", ""),
            required=data.get("required", False),
            texts=texts,
            variant=data.get("variant", ""),
            topic=data.get("topic"),
            wordings=wordings,
        )


class PageForm(forms.Form):
    """The page around the questions: languages, texts, what happens after sending."""

    languages = forms.MultipleChoiceField(
        label=_("Languages of the page"), widget=forms.CheckboxSelectMultiple, choices=()
    )
    double_opt_in = forms.BooleanField(
        label=_("Double opt-in"),
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=_(
            "A subscription, and a yes to being measured, count once the person confirms by a link sent to them."
        ),
    )
    exit_email = forms.ModelChoiceField(
        Email.objects.none(), label=_("Exit-screen email"), required=False, widget=UnfoldAdminSelectWidget
    )
    frame_hosts = forms.CharField(
        label=_("Other websites that may show it"),
        required=False,
        max_length=2000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_(
            "One host in each line. The website's own domain may always show it; everywhere else the form stays empty."
        ),
    )

    def __init__(self, organization: Organization, entry_form: EntryForm, data: QueryDict | None = None) -> None:
        super().__init__(data, label_suffix="")
        self._entry_form = entry_form
        codes = settings.PUBLIC_LANGUAGES
        cast("forms.ChoiceField", self.fields["languages"]).choices = [(code, language_name(code)) for code in codes]
        self.fields["languages"].initial = entry_form.languages
        self.fields["double_opt_in"].initial = entry_form.double_opt_in
        cast("forms.ModelChoiceField[Email]", self.fields["exit_email"]).queryset = Email.objects.filter(
            organization=organization,
            campaign=entry_form.campaign_id,
            kind=EmailKind.EXIT_SCREEN,
            archived_at__isnull=True,
        ).order_by("name")
        self.fields["exit_email"].initial = entry_form.exit_email
        self.fields["frame_hosts"].initial = "\n".join(entry_form.frame_hosts)
        for language in entry_form.languages:
            for name, (label, widget) in PAGE_TEXTS.items():
                long = widget is UnfoldAdminTextareaWidget
                attributes: dict[str, Any] = {"lang": language, **({"rows": 3} if long else {})}
                self.fields[f"{name}_{language}"] = forms.CharField(
                    label=f"{label} ({language_name(language)})",
                    required=False,
                    max_length=4000 if long else 200,
                    initial=entry_form.texts.get(language, {}).get(name, ""),
                    widget=widget(attrs=attributes),
                )

    def settings_fields(self) -> Iterator[forms.BoundField]:
        for name in ("double_opt_in", "exit_email", "frame_hosts"):
            yield self[name]

    def text_fields(self) -> Iterator[forms.BoundField]:
        for language in self._entry_form.languages:
            for name in PAGE_TEXTS:
                yield self[f"{name}_{language}"]

    def change(self) -> PageChange:
        """What was typed. The form is valid."""
        data = self.cleaned_data
        texts = {
            language: {name: data.get(f"{name}_{language}", "") for name in PAGE_TEXTS}
            for language in self._entry_form.languages
        }
        hosts = [line.strip() for line in data["frame_hosts"].splitlines() if line.strip()]
        return PageChange(
            languages=data["languages"],
            texts=texts,
            double_opt_in=data["double_opt_in"],
            frame_hosts=hosts,
            exit_email=data["exit_email"],
        )
