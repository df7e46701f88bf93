"""Websites, notices, topics and campaigns of the demonstration organization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from campaigns.models import BodyFormat, CampaignKind, EmailKind
from delivery.models import Purpose
from websites.rules import EmailTracking

ORGANIZATION = "Maison Levain"
LEGAL_NAME = "Maison Levain SA"
LEGAL_ADDRESS = "Rue du Houblon 24, 1000 Bruxelles, Belgique"


@dataclass(frozen=True, slots=True)
class Member:
    email: str
    name: str
    role: str


OWNER = Member("helene@maison-levain.example", "Hélène Maes", "owner")
OFFICER = Member("dirk@maison-levain.example", "Dirk Vogel", "dpo")
MARKETER = Member("noor@maison-levain.example", "Noor Janssens", "marketer")
MEMBERS = (OWNER, OFFICER, MARKETER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A website, what it measures, and its topic."""

    crowd: str
    name: str
    domain: str
    country: str
    sender_name: str
    sender_email: str
    topic: str
    # Where and with which words people subscribed, and answered about tracking.
    source: str
    wording: str
    tracking_wording: str
    tracking: EmailTracking
    reason: str = ""
    # What the data protection officer said when confirming it.
    opinion: str = ""
    # By language.
    notices: Mapping[str, str] = field(default_factory=dict)
    # What the owner has proposed and nobody has confirmed yet.
    waiting: Mapping[str, str] = field(default_factory=dict)
    waiting_reason: str = ""


PLACES = (
    Place(
        crowd="fr",
        name="Maison Levain France",
        domain="fr.maison-levain.example",
        country="FR",
        sender_name="Maison Levain",
        sender_email="bonjour@fr.maison-levain.example",
        topic="La lettre du fournil",
        source="Caisse et site, ancien outil",
        wording="Oui, je veux recevoir la lettre du fournil par courriel.",
        tracking_wording="J’accepte que Maison Levain mesure l’ouverture de ses courriels et les clics sur les liens.",
        tracking=EmailTracking.NEVER,
        notices={
            "fr": "Quand vous l’acceptez, un pixel et des liens personnels nous disent si nos courriels sont "
            "ouverts et lesquels de leurs liens servent. Vous pouvez changer d’avis à tout moment, "
            "en bas de chaque courriel."
        },
    ),
    Place(
        crowd="be",
        name="Maison Levain België · Belgique",
        domain="be.maison-levain.example",
        country="BE",
        sender_name="Maison Levain",
        sender_email="bonjour@be.maison-levain.example",
        topic="La Lettre du levain",
        source="Shops and website, former tool",
        wording="Yes, send me the monthly letter.",
        tracking_wording="I agree that Maison Levain sees whether I open its emails and which links I use.",
        tracking=EmailTracking.ALWAYS,
        reason="Opinion of the data protection officer of 3 November; people were informed in October.",
        opinion="In line with the justification for Belgium.",
        notices={
            "fr": "Nous mesurons l’ouverture de nos courriels et les clics sur leurs liens, sauf si vous refusez. "
            "Le refus tient en deux clics, en bas de chaque courriel.",
            "nl": "Wij meten of onze e-mails geopend worden en welke links gebruikt worden, tenzij u weigert. "
            "Weigeren kan met twee klikken, onderaan elke e-mail.",
            "de": "Wir messen, ob unsere E-Mails geöffnet und welche Links genutzt werden, es sei denn, Sie lehnen ab. "
            "Das geht mit zwei Klicks am Ende jeder E-Mail.",
        },
    ),
    Place(
        crowd="it",
        name="Maison Levain Italia",
        domain="it.maison-levain.example",
        country="IT",
        sender_name="Maison Levain",
        sender_email="ciao@it.maison-levain.example",
        topic="La lettera del forno",
        source="Botteghe e sito, strumento precedente",
        wording="Sì, desidero ricevere la lettera del forno via e-mail.",
        tracking_wording="Acconsento che Maison Levain rilevi l’apertura delle e-mail e i clic sui link.",
        tracking=EmailTracking.BY_CONSENT,
        reason="People were asked in September; who said nothing is not measured.",
        opinion="Yes: nobody is measured who did not ask for it.",
        notices={
            "it": "Se ci dai il consenso, un pixel e link personali ci dicono se le nostre e-mail vengono aperte e "
            "quali link vengono usati. Puoi cambiare idea quando vuoi, in fondo a ogni e-mail."
        },
        waiting={"opens_fallback": "anonymous"},
        waiting_reason="How many letters are opened, not by whom: the Garante allows the rate, with a notice.",
    ),
    Place(
        crowd="de",
        name="Maison Levain Deutschland",
        domain="de.maison-levain.example",
        country="DE",
        sender_name="Maison Levain",
        sender_email="hallo@de.maison-levain.example",
        topic="Der Backbrief",
        source="Läden und Website, früheres Werkzeug",
        wording="Ja, schickt mir den Backbrief per E-Mail.",
        tracking_wording="Ich bin einverstanden, dass Maison Levain Öffnungen und Klicks in E-Mails misst.",
        tracking=EmailTracking.BY_CONSENT,
        reason="People were asked in September; who said nothing is not measured.",
        opinion="Yes: nobody is measured who did not ask for it.",
        notices={
            "de": "Wenn Sie zustimmen, sagen uns ein Zählpixel und persönliche Links, ob unsere E-Mails geöffnet und "
            "welche Links genutzt werden. Sie können das jederzeit ändern, am Ende jeder E-Mail."
        },
    ),
)

JUSTIFIED_COUNTRIES = ("BE",)
JUSTIFICATION = (
    "Customers of our Belgian shops were told of the measurement by letter in October 2026, with a reply card to "
    "refuse. The balance of interests of 2 November 2026 is in the register of processing under no. 14."
)
OPINION = "Acceptable for one year, for Belgium only, as long as refusing stays as easy as it is. Review in 2027."


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A campaign with its email."""

    crowd: str
    name: str
    kind: CampaignKind
    # Days from the day of the seed; none: always open.
    opens_in_days: int | None = None
    closes_in_days: int | None = None
    email_name: str
    email_kind: EmailKind
    purpose: Purpose
    subject: str
    preheader: str
    file: str
    text: str = ""
    body_format: BodyFormat = BodyFormat.MJML


NEWSLETTER = Story(
    crowd="be",
    name="La Lettre du levain 2026",
    kind=CampaignKind.NEWSLETTER,
    email_name="November · le temps du feu lent",
    email_kind=EmailKind.NEWSLETTER,
    purpose=Purpose.MARKETING,
    subject="{% if locale contains 'de' %}Das lange Feuer: unser Holzofen in Eupen"
    "{% elsif locale contains 'en' %}The slow fire: rye, starters and a new oven"
    "{% else %}Le temps du feu lent : seigle, levain et pain perdu{% endif %}",
    preheader="Pavé de seigle, Noor’s starter diary, Holzofen in Eupen",
    file="november.mjml",
)
STORIES = (
    NEWSLETTER,
    Story(
        crowd="fr",
        name="Un an de pain",
        kind=CampaignKind.CONTEST,
        opens_in_days=-20,
        closes_in_days=40,
        email_name="Merci d’avoir joué",
        email_kind=EmailKind.EXIT_SCREEN,
        purpose=Purpose.TRANSACTIONAL,
        subject="Votre participation au tirage « Un an de pain »",
        preheader="C’est noté, et voici la recette promise",
        file="contest-thanks.mjml",
    ),
    Story(
        crowd="it",
        name="Che pane sei?",
        kind=CampaignKind.QUIZ,
        opens_in_days=-35,
        closes_in_days=25,
        email_name="Il tuo profilo",
        email_kind=EmailKind.EXIT_SCREEN,
        purpose=Purpose.TRANSACTIONAL,
        subject="{% if first_name %}{{ first_name }}, il{% else %}Il{% endif %} tuo profilo da fornaio",
        preheader="Sei un’anima da focaccia: ecco la tua ricetta",
        file="quiz-result.mjml",
    ),
)
