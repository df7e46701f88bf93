"""Five thousand people who do not exist, the same on every machine."""

from __future__ import annotations

import csv
import random
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SEED = 20_261_122
# Reserved for examples (RFC 2606): nobody's mail server will ever answer for them.
MAIL_DOMAINS = (
    "mail.example.org",
    "post.example.net",
    "courrier.example.com",
    "posta.example.org",
    "inbox.example.com",
)
COLUMNS = (
    "email",
    "country",
    "locale",
    "first_name",
    "last_name",
    "external_id",
    "consent_email_opens",
    "consent_email_clicks",
    "favourite_bread",
)
BREADS = ("sourdough", "rye", "baguette", "focaccia", "spelt", "brioche")

NAMES = tomllib.loads(Path(__file__).with_name("names.toml").read_text(encoding="utf-8"))
# Language of the names for a country; elsewhere people have English ones.
NAMES_OF = {"FR": "fr", "RE": "fr", "GP": "fr", "LU": "fr", "CH": "de", "BE": "fr", "NL": "nl", "DE": "de", "AT": "de"}
NAMES_OF |= {"IT": "it", "GB": "en", "IE": "en"}

# What a person answered about opens and about clicks, and how many of a hundred did so.
CHOICES = {("yes", "yes"): 44, ("yes", "no"): 5, ("no", "yes"): 4, ("no", "no"): 12, ("yes", ""): 3, ("", ""): 32}


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """The people of one website, as an older tool would have exported them."""

    name: str
    size: int
    # How many of a hundred live where; empty: nobody asked them.
    countries: Mapping[str, int]
    locales: Mapping[str, int]
    # What the older tool wrote for yes and no.
    yes: str
    no: str


CROWDS = (
    Crowd(
        name="fr",
        size=1_400,
        countries={"FR": 84, "RE": 4, "GP": 2, "BE": 4, "CH": 3, "": 3},
        locales={"fr": 96, "en": 4},
        yes="oui",
        no="non",
    ),
    Crowd(
        name="be",
        size=1_600,
        countries={"BE": 70, "FR": 14, "NL": 5, "DE": 5, "LU": 3, "": 3},
        locales={"fr-BE": 52, "nl-BE": 22, "de-BE": 12, "en": 14},
        yes="yes",
        no="no",
    ),
    Crowd(
        name="it",
        size=1_200,
        countries={"IT": 88, "CH": 5, "FR": 4, "": 3},
        locales={"it": 94, "en": 6},
        yes="si",
        no="no",
    ),
    Crowd(
        name="de",
        size=800,
        countries={"DE": 82, "AT": 10, "CH": 5, "": 3},
        locales={"de": 95, "en": 5},
        yes="ja",
        no="nein",
    ),
)


def write_crowd(crowd: Crowd, path: Path) -> None:
    """One file, as UTF-8 CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows_of(crowd))


def rows_of(crowd: Crowd) -> Iterator[tuple[str, ...]]:
    chance = random.Random(f"{SEED}-{crowd.name}")  # noqa: S311 - the same people everywhere, not a secret
    said = {"yes": crowd.yes, "no": crowd.no, "": ""}
    for number in range(1, crowd.size + 1):
        country = _pick(chance, crowd.countries)
        locale = _pick(chance, crowd.locales)
        language = NAMES_OF.get(country) if locale[:2] != "nl" else "nl"
        first = chance.choice(NAMES["first_names"][language or locale[:2]])
        last = chance.choice(NAMES["last_names"][language or locale[:2]])
        opens, clicks = _pick(chance, CHOICES)
        yield (
            f"{_ascii(first)}.{_ascii(last)}.{crowd.name}{number}@{chance.choice(MAIL_DOMAINS)}",
            country,
            locale,
            # Some people never told their names.
            first if chance.random() > 0.06 else "",
            last if chance.random() > 0.1 else "",
            f"{crowd.name.upper()}-{number:05d}",
            said[opens],
            said[clicks],
            chance.choice(BREADS) if chance.random() > 0.5 else "",
        )


def _pick[T](chance: random.Random, weights: Mapping[T, int]) -> T:
    return chance.choices(list(weights), weights=list(weights.values()))[0]


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain.lower() if letter.isalnum())
