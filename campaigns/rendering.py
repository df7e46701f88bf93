"""An email of a campaign on its way to being compiled: what it is made of, and what has to be put right first."""

from __future__ import annotations

import re
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Organization
from campaigns.asking import why_nobody
from campaigns.models import Email, EmailKind
from campaigns.questions import question_problems, questions_of, with_questions
from campaigns.rules import TimingProblem, timing_problem, utm_word
from campaigns.segments import EVERYBODY, Narrowing
from campaigns.selectors import has_audience
from delivery.connections import why_not_send
from delivery.markup import AddressError
from delivery.models import Purpose
from delivery.personal import data_names
from delivery.rendering import BodyFormat, CompiledEmail, EmailSource, FooterLabels, check_email, compile_email
from delivery.rules import needs_subscription
from delivery.templating import TemplateError
from participants.models import Participant
from tracking.instrument import Utm

# The two links that every email must have, in the language that its author declared for it.
FOOTERS = {
    "en": FooterLabels(unsubscribe="Unsubscribe", preferences="What is measured, and your choice"),
    "fr": FooterLabels(unsubscribe="Se désabonner", preferences="Ce qui est mesuré, et votre choix"),
    "de": FooterLabels(unsubscribe="Abmelden", preferences="Was gemessen wird, und Ihre Wahl"),
    "it": FooterLabels(unsubscribe="Annulla l’iscrizione", preferences="Che cosa viene misurato, e la tua scelta"),
    "nl": FooterLabels(unsubscribe="Uitschrijven", preferences="Wat er gemeten wordt, en uw keuze"),
    "es": FooterLabels(unsubscribe="Darse de baja", preferences="Qué se mide, y su elección"),
    "pt": FooterLabels(unsubscribe="Cancelar a subscrição", preferences="O que é medido, e a sua escolha"),
}
# For emails that declare none: the language most spoken where the website is.
LANGUAGE_OF_COUNTRY = {"FR": "fr", "BE": "fr", "LU": "fr", "MC": "fr", "DE": "de", "AT": "de", "CH": "de", "IT": "it"}
LANGUAGE_OF_COUNTRY |= {"NL": "nl", "ES": "es", "PT": "pt", "BR": "pt"}
_DECLARED = re.compile(r"<(?:mjml|html)\b[^>]*?\slang=[\"']?([a-zA-Z]{2})\b", re.IGNORECASE)

FIELD_LABELS = {
    "subject": gettext_lazy("Subject"),
    "preheader": gettext_lazy("Preview text"),
    "body": gettext_lazy("Body"),
    "text": gettext_lazy("Plain text"),
}


def language_of(email: Email) -> str:
    """The language that an email's own markup declares, else that of the website's country, else English."""
    declared = _DECLARED.search(email.body)
    if declared and declared[1].lower() in FOOTERS:
        return declared[1].lower()
    return LANGUAGE_OF_COUNTRY.get(str(email.campaign.website.country), "en")


def email_source(email: Email) -> EmailSource:
    """What the author wrote, as the compiler takes it."""
    questions = questions_of(email)
    return EmailSource(
        subject=email.subject,
        preheader=email.preheader,
        body=with_questions(email.body, questions),
        text=with_questions(email.text, questions, html=False),
        labels=FOOTERS[language_of(email)],
        body_format=BodyFormat(email.body_format),
        marketing=email.purpose == Purpose.MARKETING,
        asks_consent=email.kind == EmailKind.CONSENT_REQUEST,
        utm=utm_of(email) if email.add_utm else None,
    )


def utm_of(email: Email) -> Utm:
    """Where a visit came from: the website's newsletter and the campaign. Nobody's name or number is in it."""
    website = email.campaign.website
    return Utm(source=website.domain or utm_word(website.name), medium="email", campaign=utm_word(email.campaign.name))


def sender_of(email: Email) -> str:
    """The sender as people read it."""
    website = email.campaign.website
    return f"{email.sender_name or website.sender_name} <{website.sender_email}>"


def check_draft(email: Email) -> list[TemplateError]:
    """What the mail would break on, each with its field and line."""
    return [*question_problems(email), *check_email(email_source(email))]


def draft_errors(email: Email) -> list[TemplateError]:
    """The same without what the privacy lint says better."""
    return [problem for problem in check_draft(email) if not isinstance(problem, AddressError)]


def compile_draft(email: Email) -> tuple[CompiledEmail | None, list[str]]:
    """The compiled email, or what has to be put right in it."""
    problems = [f"{FIELD_LABELS[problem.field]}: {problem}" for problem in check_draft(email)]
    return (None, problems) if problems else (compile_email(email_source(email)), [])


def about_sender(organization: Organization, email: Email) -> dict[str, object]:
    """What templates may say of the sender."""
    website = email.campaign.website
    return {
        "campaign": {"name": email.campaign.name},
        "website": {"name": website.name},
        "sender_name": email.sender_name or website.sender_name,
        "legal_name": organization.legal_name or organization.name,
        "legal_address": organization.legal_address,
    }


def about_person(email: Email, participant: Participant | None) -> dict[str, object]:
    """What templates may say of a person; of an example person when there is none."""
    if participant is None:
        return {
            "first_name": "Camille",
            "last_name": "Martin",
            "email": "camille.martin@example.org",
            "country": str(email.campaign.website.country),
            "locale": language_of(email),
            "attributes": {},
        }
    return {
        "first_name": participant.first_name,
        "last_name": participant.last_name,
        "email": participant.email,
        "country": str(participant.country),
        "locale": participant.locale,
        "attributes": participant.attributes,
    }


# --- What else keeps an email from leaving ----------------------------------------------------------------------------


def problems_of(
    organization: Organization, email: Email, *, starts_at: datetime, now: datetime, narrowing: Narrowing = EVERYBODY
) -> list[str]:
    """Everything beside its content that an email cannot be sent for, in the words of the person who tries."""
    problems = [*standing_problems(organization, email, starts_at=starts_at, now=now), *_data(email)]
    # Who will be subscribed when a planned email starts is not known yet.
    if not problems and starts_at <= now and not has_audience(organization, email, now=now, narrowing=narrowing):
        problems.append(_why_nobody(organization, email, narrowing, now=now))
    return problems


def standing_problems(organization: Organization, email: Email, *, starts_at: datetime, now: datetime) -> list[str]:
    """Those that hold for whomever it goes to."""
    problems = [*_archived(email), *_timing(email, starts_at), *_sender(organization, email), *_permission(email)]
    # What would be measured by somebody else on the way is refused before anybody is written to (rule S11).
    return [*problems, *filter(None, [why_not_send(organization, email.campaign.website, now=now)])]


def data_of(email: Email) -> list[str]:
    """The names of what a call has to say for an email to be whole."""
    return data_names("\n".join([email.subject, email.preheader, email.body, email.text]))


def _data(email: Email) -> list[str]:
    names = data_of(email)
    if not names:
        return []
    message = _("It needs data that only a call gives to one person (%(names)s), so it cannot go to an audience.")
    return [message % {"names": ", ".join(f"data.{name}" for name in names)}]


def _why_nobody(organization: Organization, email: Email, narrowing: Narrowing, *, now: datetime) -> str:
    if email.kind == EmailKind.CONSENT_REQUEST:
        return why_nobody(organization, email, now=now, narrowing=narrowing)
    if narrowing != EVERYBODY and has_audience(organization, email, now=now):
        return _("Nobody would get it: of those whom this email is for, nobody is in the audience that you chose.")
    return _nobody(email)


def _archived(email: Email) -> list[str]:
    if email.archived_at is not None:
        return [_("The email is archived. Bring it back first.")]
    if email.campaign.archived_at is not None:
        return [_("The campaign is archived. Bring it back first.")]
    return []


def _timing(email: Email, starts_at: datetime) -> list[str]:
    campaign = email.campaign
    problem = timing_problem(email.kind, opens_at=campaign.opens_at, closes_at=campaign.closes_at, starts_at=starts_at)
    if problem is TimingProblem.NOT_OPEN_YET:
        return [_("The campaign is not open by then, so nobody can have taken part.")]
    if problem is TimingProblem.CLOSED:
        return [_("The campaign is closed by then: a reminder would call for something that has ended.")]
    return []


def sender_problems(organization: Organization, email: Email, *, now: datetime) -> list[str]:
    """Why nobody could be written to at all, be it a test."""
    return [*_sender(organization, email), *filter(None, [why_not_send(organization, email.campaign.website, now=now)])]


def _sender(organization: Organization, email: Email) -> list[str]:
    problems = []
    if not email.campaign.website.sender_email:
        problems.append(_("The website has no sender address. Give it one under Publishing > Websites."))
    if email.purpose == Purpose.MARKETING and not organization.legal_address.strip():
        problems.append(
            _("Your organization has no postal address, which every marketing email must show. See Settings.")
        )
    return problems


def _permission(email: Email) -> list[str]:
    if email.kind == EmailKind.CONSENT_REQUEST and needs_subscription(email.purpose):
        return [_("An email that asks for consent advertises nothing, so its purpose cannot be marketing.")]
    if email.kind == EmailKind.EXIT_SCREEN and needs_subscription(email.purpose):
        return [_("An exit-screen email answers somebody who took part, so its purpose cannot be marketing.")]
    if not needs_subscription(email.purpose):
        return []
    if email.topic is None:
        return [_("Choose a topic: marketing goes to the people who subscribed to one.")]
    if email.topic.website_id != email.campaign.website_id:
        return [_("The topic belongs to another website than the campaign.")]
    return []


def _nobody(email: Email) -> str:
    if needs_subscription(email.purpose) and email.topic is not None:
        return _("Nobody would get it: nobody whose address accepts mail is subscribed to “%(topic)s”.") % {
            "topic": email.topic.name
        }
    if email.kind == EmailKind.EXIT_SCREEN:
        return _("Nobody would get it: nobody has taken part in this campaign who did not get it already.")
    return _("Nobody would get it: nobody has taken part in this campaign yet.")
