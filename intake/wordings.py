"""The words beside boxes that ask for something: suggested in six languages, kept as immutable versions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import Organization, User
from consent.services import publish_consent_text
from intake.form_selectors import TEXTS_OF
from intake.models import ConsentVariant, EntryForm, FieldKind, FormField
from websites.models import Website

# What each wording asks for, and where it stands.
ASKS = {
    "both": ("form", ["opens", "clicks"]),
    "question": ("form question", ["opens", "clicks"]),
    "opens": ("form opens", ["opens"]),
    "clicks": ("form clicks", ["clicks"]),
    "professional": ("form professionals", ["opens", "clicks"]),
}


def wordings_of(question: FormField) -> tuple[str, ...]:
    """The boxes that a field may show; one for professionals keeps an empty box for when ticking is refused."""
    if question.kind == FieldKind.TOPIC:
        return ("topic",)
    if question.kind != FieldKind.TRACKING_CONSENT:
        return ()
    variant = ConsentVariant(question.variant)
    return (*TEXTS_OF[variant], *(("both",) if variant is ConsentVariant.PROFESSIONAL else ()))


def suggested_wording(organization: Organization, question: FormField, name: str, language: str) -> str:
    """Words that can stand as they are: they name who asks, what for, and that a no costs nothing."""
    values = {
        "organization": organization.legal_name or organization.name,
        "topic": question.topic.name if question.topic else "",
    }
    with translation.override(language):
        return {
            "both": _(
                "%(organization)s may measure whether I open its emails and which of their links I click. I can change "
                "this at any time and get the same emails without it."
            ),
            "question": _(
                "May %(organization)s measure whether you open its emails and which of their links you click? You get "
                "the same emails whatever you answer, and can change it at any time."
            ),
            "opens": _("%(organization)s may measure whether I open its emails. I can change this at any time."),
            "clicks": _(
                "%(organization)s may measure which links of its emails I click. I can change this at any time."
            ),
            "professional": _(
                "%(organization)s measures whether I open the emails that it sends to my professional address, and "
                "which of their links I click. If I do not want that, I untick this box now, or say so later with the "
                "link in each email."
            ),
            "topic": _("I want to get “%(topic)s” from %(organization)s by email. I can unsubscribe at any time."),
        }[name] % values


def publish_wordings(
    organization: Organization,
    form: EntryForm,
    question: FormField,
    typed: Mapping[str, Mapping[str, str]],
    *,
    author: User | None,
    now: datetime,
) -> None:
    """Each wording in each language of the form, as an immutable version; what nobody typed is suggested."""
    website: Website = form.campaign.website
    wordings: dict[str, dict[str, int]] = {}
    for language in form.languages:
        for name in wordings_of(question):
            words = str(typed.get(language, {}).get(name, "")).strip()
            place, asks_for = ASKS.get(name, (f"form topic {question.topic_id}", [f"subscription:{question.topic_id}"]))
            text = publish_consent_text(
                organization,
                website=website,
                language=language,
                place=place,
                text=words or suggested_wording(organization, question, name, language),
                asks_for=asks_for,
                author=author,
                now=now,
            )
            wordings.setdefault(language, {})[name] = text.pk
    question.wordings = wordings
