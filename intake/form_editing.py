"""Writes of participation pages: their questions, words and settings. What people read is kept word by word."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Max, QuerySet
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import Organization, User
from campaigns.models import Campaign, Email, EmailKind
from campaigns.rendering import LANGUAGE_OF_COUNTRY
from campaigns.services import LaunchRefused
from campaigns.standing import launch_standing
from common.tenancy import tenant
from consent.models import Topic
from intake.form_selectors import fields_of, may_tick_for_professionals
from intake.frames import parse_host
from intake.models import ConsentVariant, EntryForm, FieldKind, FormField
from intake.wordings import publish_wordings, wordings_of

NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
TARGETS = ("", "first_name", "last_name", "attribute")


class FormRefused(Exception):  # noqa: N818 - the words of the person who is refused, not a fault
    """Something that a form cannot be; ``field_name`` says where."""

    def __init__(self, message: str, *, field_name: str | None = None) -> None:
        super().__init__(message)
        self.field_name = field_name


def create_form(organization: Organization, campaign: Campaign, *, author: User | None, now: datetime) -> EntryForm:
    """The form of a campaign, with what every form needs; the one that it has already, if it has one."""
    with tenant(organization.pk):
        known = EntryForm.objects.filter(organization=organization, campaign=campaign).first()
        if known is not None:
            return known
        language = LANGUAGE_OF_COUNTRY.get(str(campaign.website.country), "en")
        languages = [language if language in settings.PUBLIC_LANGUAGES else "en"]
        form = EntryForm.objects.create(
            organization=organization, campaign=campaign, languages=languages, created_at=now, updated_at=now
        )
        form.refresh_from_db()
        for kind in (FieldKind.EMAIL, FieldKind.TRACKING_CONSENT):
            add_field(organization, form, kind, author=author, now=now)
    return form


# --- Fields -----------------------------------------------------------------------------------------------------------


def add_field(
    organization: Organization, form: EntryForm, kind: FieldKind | str, *, author: User | None, now: datetime
) -> FormField:
    """A new question at the end, with words that can stay as they are."""
    kind = FieldKind(kind)
    with tenant(organization.pk):
        fields = fields_of(organization, form)
        if kind in (FieldKind.EMAIL, FieldKind.TRACKING_CONSENT) and any(one.kind == kind for one in fields):
            raise FormRefused(_("A form has one field of this type."))
        topic = _free_topic(organization, form, fields) if kind is FieldKind.TOPIC else None
        highest = FormField.objects.filter(form=form).aggregate(highest=Max("position"))["highest"] or 0
        question = FormField(
            organization=organization,
            form=form,
            position=highest + 1,
            kind=kind,
            name=_free_name(kind.value, {one.name for one in fields}),
            target="country" if kind is FieldKind.COUNTRY else "",
            required=kind is FieldKind.EMAIL,
            texts=_first_texts(form, kind),
            variant=ConsentVariant.YES_NO if kind is FieldKind.TRACKING_CONSENT else "",
            topic=topic,
        )
        publish_wordings(organization, form, question, {}, author=author, now=now)
        question.save()
        _touch(form, now=now)
    return question


def _free_topic(organization: Organization, form: EntryForm, fields: Sequence[FormField]) -> Topic:
    taken = [one.topic_id for one in fields if one.topic_id]
    topics = Topic.objects.filter(organization=organization, website=form.campaign.website).exclude(pk__in=taken)
    topic = topics.order_by("name").first()
    if topic is None:
        raise FormRefused(_("The website has no other topic. Make one first."))
    return topic


def _free_name(stem: str, taken: set[str]) -> str:
    number = 1
    while (name := stem if number == 1 else f"{stem}_{number}") in taken:
        number += 1
    return name


def _first_texts(form: EntryForm, kind: FieldKind) -> dict[str, dict[str, Any]]:
    """Labels in each language of the form: they can be sent as they are."""
    return {language: _own_texts(kind, language) for language in form.languages}


def _own_texts(kind: FieldKind, language: str) -> dict[str, Any]:
    with translation.override(language):
        texts: dict[str, Any] = {"label": str(kind.label)}
        if kind in (FieldKind.CHOICE, FieldKind.MULTIPLE_CHOICE):
            texts["options"] = [_("First answer"), _("Second answer")]
    return texts


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """What a marketer typed about one question."""

    name: str
    target: str = ""
    required: bool = False
    # {"en": {"label": …, "help": …, "options": […]}}
    texts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variant: str = ""
    topic: Topic | None = None
    # {"en": {"both": words}}
    wordings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def change_field(
    organization: Organization, question: FormField, change: FieldChange, *, author: User | None, now: datetime
) -> FormField:
    """Keep one question as it was typed. Words that ask for a consent become a new version; the old ones stay kept."""
    with tenant(organization.pk):
        current = FormField.objects.select_for_update(of=("self",)).get(organization=organization, pk=question.pk)
        form = EntryForm.objects.select_related("campaign__website").get(organization=organization, pk=current.form_id)
        _check_field(form, current, change)
        current.name, current.required = change.name, change.required or current.kind == FieldKind.EMAIL
        if current.kind not in (FieldKind.COUNTRY, FieldKind.EMAIL):
            current.target = change.target
        current.texts = {language: dict(texts) for language, texts in change.texts.items()}
        if current.kind == FieldKind.TRACKING_CONSENT:
            current.variant = ConsentVariant(change.variant)
        if current.kind == FieldKind.TOPIC:
            current.topic = change.topic
        publish_wordings(organization, form, current, change.wordings, author=author, now=now)
        current.save()
        _touch(form, now=now)
    return current


def _check_field(form: EntryForm, current: FormField, change: FieldChange) -> None:
    others = FormField.objects.filter(form=form).exclude(pk=current.pk)
    if not NAME.fullmatch(change.name):
        raise FormRefused(_("Small letters, digits and _ only, beginning with a letter."), field_name="name")
    if others.filter(name=change.name).exists():
        raise FormRefused(_("Another field of this form has this name."), field_name="name")
    if change.target not in TARGETS:
        raise FormRefused(_("Answers cannot be kept there."), field_name="target")
    if change.target in ("first_name", "last_name") and others.filter(target=change.target).exists():
        raise FormRefused(_("Another field of this form is kept there."), field_name="target")
    if current.kind == FieldKind.TRACKING_CONSENT:
        _check_variant(form, change)
    elif current.kind == FieldKind.TOPIC:
        _check_topic(form, others, change)
    elif current.kind in (FieldKind.CHOICE, FieldKind.MULTIPLE_CHOICE):
        _check_options(form, change)


def _check_variant(form: EntryForm, change: FieldChange) -> None:
    if change.variant not in ConsentVariant.values:
        raise FormRefused(_("Choose how it is asked."), field_name="variant")
    if change.variant == ConsentVariant.PROFESSIONAL and not may_tick_for_professionals(form.campaign.website):
        words = _(
            "A ticked box is possible only on a website for professionals where the rule of a country, or a legal "
            "justification, allows it."
        )
        raise FormRefused(words, field_name="variant")


def _check_topic(form: EntryForm, others: QuerySet[FormField], change: FieldChange) -> None:
    if change.topic is None or change.topic.website_id != form.campaign.website_id:
        raise FormRefused(_("Choose a topic of this website."), field_name="topic")
    if others.filter(topic=change.topic).exists():
        raise FormRefused(_("Another field of this form offers this topic."), field_name="topic")


def _check_options(form: EntryForm, change: FieldChange) -> None:
    first = form.languages[0]
    options = change.texts.get(first, {}).get("options", [])
    if len(options) < 2 or len(set(options)) != len(options):
        raise FormRefused(_("Write at least two different answers."), field_name=f"options_{first}")


def move_field(organization: Organization, question: FormField, *, up: bool, now: datetime) -> None:
    """One place up or down."""
    with tenant(organization.pk):
        form = EntryForm.objects.select_for_update(of=("self",)).get(organization=organization, pk=question.form_id)
        order = fields_of(organization, form)
        place = next(index for index, one in enumerate(order) if one.pk == question.pk)
        other = place + (-1 if up else 1)
        if 0 <= other < len(order):
            order[place], order[other] = order[other], order[place]
        for position, one in enumerate(order, start=1):
            if one.position != position:
                FormField.objects.filter(pk=one.pk).update(position=position)
        _touch(form, now=now)


def remove_field(organization: Organization, question: FormField, *, now: datetime) -> None:
    """Ask no longer. What was answered stays in the entries."""
    if question.kind == FieldKind.EMAIL:
        raise FormRefused(_("A form needs the email address."))
    with tenant(organization.pk):
        FormField.objects.filter(organization=organization, pk=question.pk).delete()
        _touch(question.form, now=now)


# --- The page ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PageChange:
    """What a marketer typed about the page itself."""

    languages: Sequence[str]
    texts: Mapping[str, Mapping[str, str]]
    double_opt_in: bool
    frame_hosts: Sequence[str]
    exit_email: Email | None


def change_page(
    organization: Organization, form: EntryForm, change: PageChange, *, author: User | None, now: datetime
) -> EntryForm:
    """Keep texts and settings. A new exit-screen email is frozen for the people who take part from now on."""
    with tenant(organization.pk):
        current = (
            EntryForm.objects.select_for_update(of=("self",))
            .select_related("campaign__website", "exit_email", "exit_launch")
            .get(organization=organization, pk=form.pk)
        )
        languages = [code for code in settings.PUBLIC_LANGUAGES if code in change.languages]
        if not languages:
            raise FormRefused(_("Choose at least one language."), field_name="languages")
        hosts = [parse_host(text) for text in change.frame_hosts]
        if None in hosts:
            raise FormRefused(_("Write one host in each line, such as www.example.org."), field_name="frame_hosts")
        # The language that the form began with stays its first one as long as it is among them.
        first = [code for code in current.languages[:1] if code in languages]
        current.languages = [*first, *(code for code in languages if code not in first)]
        current.texts = {code: dict(change.texts.get(code, {})) for code in current.languages}
        current.double_opt_in, current.frame_hosts = change.double_opt_in, [host for host in hosts if host]
        _set_exit_email(organization, current, change.exit_email, author=author, now=now)
        current.updated_at = now
        current.save()
        _speak_all_languages(organization, current, author=author, now=now)
    return current


def _speak_all_languages(organization: Organization, form: EntryForm, *, author: User | None, now: datetime) -> None:
    """Consent is asked for in the language of the page or not at all: no language lacks its wording.

    Labels that nobody wrote are there in every language; those that somebody wrote, a marketer translates.
    """
    for question in fields_of(organization, form):
        before = question.wordings
        if wordings_of(question) and any(code not in before for code in form.languages):
            publish_wordings(organization, form, question, {}, author=author, now=now)
            question.wordings = {**question.wordings, **before}
        kind, first = FieldKind(question.kind), form.languages[0]
        if question.texts.get(first) == _own_texts(kind, first):
            question.texts = _first_texts(form, kind)
        question.save(update_fields=["wordings", "texts"])


def _set_exit_email(
    organization: Organization, form: EntryForm, email: Email | None, *, author: User | None, now: datetime
) -> None:
    if email == form.exit_email and (email is None or form.exit_launch is not None):
        return
    form.exit_email, form.exit_launch = email, None
    if email is not None:
        form.exit_launch = _freeze(organization, form, email, author=author, now=now)


def _freeze(organization: Organization, form: EntryForm, email: Email, *, author: User | None, now: datetime) -> Any:
    if email.campaign_id != form.campaign_id or email.kind != EmailKind.EXIT_SCREEN:
        raise FormRefused(_("Choose an exit-screen email of this campaign."), field_name="exit_email")
    try:
        return launch_standing(organization, email, author=author, now=now)
    except LaunchRefused as refusal:
        raise FormRefused(str(refusal), field_name="exit_email") from refusal


def renew_exit_email(organization: Organization, form: EntryForm, *, author: User | None, now: datetime) -> None:
    """From now on people get the exit-screen email as it is now."""
    with tenant(organization.pk):
        current = (
            EntryForm.objects.select_for_update(of=("self",))
            .select_related("exit_email__campaign")
            .get(organization=organization, pk=form.pk)
        )
        if current.exit_email is not None:
            current.exit_launch = _freeze(organization, current, current.exit_email, author=author, now=now)
            current.save(update_fields=["exit_launch"])


def publish_form(organization: Organization, form: EntryForm, *, now: datetime) -> None:
    """Open its address to everybody, as long as the campaign is open."""
    with tenant(organization.pk):
        EntryForm.objects.filter(organization=organization, pk=form.pk).update(published_at=now)


def withdraw_form(organization: Organization, form: EntryForm) -> None:
    """Nobody finds it any more. What came in stays."""
    with tenant(organization.pk):
        EntryForm.objects.filter(organization=organization, pk=form.pk).update(published_at=None)


def _touch(form: EntryForm, *, now: datetime) -> None:
    EntryForm.objects.filter(pk=form.pk).update(updated_at=now)
