"""What the columns of a file mean, and what may be wrong with a file or a row. Plain Python."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum


class Kind(StrEnum):
    """What a file holds."""

    PARTICIPANTS = "participants"
    SUPPRESSIONS = "suppressions"


class Field(StrEnum):
    """What a column can be read as. Anything else is an attribute, or is left out."""

    EMAIL = "email"
    COUNTRY = "country"
    LOCALE = "locale"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    EXTERNAL_ID = "external_id"
    CONSENT_TRACKING = "consent_email_tracking"
    CONSENT_OPENS = "consent_email_opens"
    CONSENT_CLICKS = "consent_email_clicks"
    # Of a list of suppressed addresses: unsubscribed, bounced, complained.
    REASON = "reason"


ATTRIBUTE_PREFIX = "attribute:"
LEFT_OUT = ""
CONSENT_FIELDS = (Field.CONSENT_TRACKING, Field.CONSENT_OPENS, Field.CONSENT_CLICKS)
FIELDS_OF: Mapping[Kind, tuple[Field, ...]] = {
    Kind.PARTICIPANTS: tuple(field for field in Field if field is not Field.REASON),
    Kind.SUPPRESSIONS: (Field.EMAIL, Field.REASON),
}

MAX_COLUMNS = 200
MAX_COLUMN_NAME = 100
MAX_ATTRIBUTE_NAME = 60
MAX_ATTRIBUTE = 1000
# First name, last name, external contact id.
MAX_TEXT = 120


class FileFault(StrEnum):
    """Why a file is refused as a whole; intake/reasons.py has the sentences."""

    EMPTY = "empty"
    SPREADSHEET = "spreadsheet"
    COMPRESSED = "compressed"
    BINARY = "binary"
    ENCODING = "encoding"
    LINE_TOO_LONG = "line_too_long"
    NO_HEADER = "no_header"
    TOO_MANY_COLUMNS = "too_many_columns"
    COLUMN_TWICE = "column_twice"
    NO_EMAIL_COLUMN = "no_email_column"
    FIELD_TWICE = "field_twice"
    UNKNOWN_FIELD = "unknown_field"
    UNKNOWN_COLUMN = "unknown_column"
    BAD_QUOTES = "bad_quotes"
    NO_ROWS = "no_rows"
    UNREADABLE = "unreadable"
    OUR_ERROR = "our_error"


class FileProblem(Exception):  # noqa: N818 - the words of the person whose file it is, not a fault of ours
    """A file that is refused as a whole: what is wrong, and where."""

    def __init__(self, fault: FileFault, *, row: int | None = None, column: str = "") -> None:
        super().__init__(f"{fault.value} (row {row}, column {column!r})")
        self.fault, self.row, self.column = fault, row, column


class Issue(StrEnum):
    """What is listed in the error file about a row; intake/reasons.py has the sentences."""

    # The row is left out.
    EMAIL_EMPTY = "email_empty"
    EMAIL_LINE_BREAK = "email_line_break"
    EMAIL_TOO_LONG = "email_too_long"
    EMAIL_NO_AT = "email_no_at"
    EMAIL_NOT_ASCII = "email_not_ascii"
    EMAIL_NOT_AN_ADDRESS = "email_not_an_address"
    TOO_MANY_CELLS = "too_many_cells"
    # The person lands, the cell is left out.
    COUNTRY_UNKNOWN = "country_unknown"
    LOCALE_UNKNOWN = "locale_unknown"
    TEXT_TOO_LONG = "text_too_long"
    CONSENT_UNREADABLE = "consent_unreadable"
    CONSENT_CONTRADICTS = "consent_contradicts"
    # The person lands, the answer does not count (rules C6, C7).
    YES_WITHOUT_PROVENANCE = "yes_without_provenance"
    KEPT_PERSONS_OWN = "kept_persons_own"
    KEPT_NEWER = "kept_newer"
    KEPT_NO = "kept_no"
    # The person lands, and stays unknown where the rule table does not count who was informed (rule C10).
    INFORMED_NOT_ALLOWED = "informed_not_allowed"
    INFORMED_TOO_LATE = "informed_too_late"
    # The person lands, but gets no subscription.
    NOT_RESUBSCRIBED = "not_resubscribed"
    # Of a list of suppressed addresses.
    REASON_UNKNOWN = "reason_unknown"
    TEMPORARY_BOUNCE = "temporary_bounce"


# Rows with one of these do not land at all.
REJECTED = frozenset(
    {
        Issue.EMAIL_EMPTY,
        Issue.EMAIL_LINE_BREAK,
        Issue.EMAIL_TOO_LONG,
        Issue.EMAIL_NO_AT,
        Issue.EMAIL_NOT_ASCII,
        Issue.EMAIL_NOT_AN_ADDRESS,
        Issue.TOO_MANY_CELLS,
        Issue.TEMPORARY_BOUNCE,
    }
)


# --- Which column is what -------------------------------------------------------------------------------------------

# As people name their columns in English, French, Italian, German, Dutch and Spanish; compared by ``_plain``.
_NAMES: Mapping[Field, str] = {
    Field.EMAIL: (
        "email mail emailaddress mailaddress adresseemail adressemail adresseelectronique courriel indirizzoemail "
        "indirizzodipostaelettronica postaelettronica emailadresse mailadresse emailadres correo correoelectronico"
    ),
    Field.COUNTRY: "country countrycode pays codepays paese nazione codicepaese land landercode landcode landkode pais",
    Field.LOCALE: "locale language languagecode lang langue codelangue lingua sprache sprachcode taal taalcode idioma",
    Field.FIRST_NAME: "firstname givenname forename prenom nome vorname voornaam nombre",
    Field.LAST_NAME: (
        "lastname surname familyname nom nomdefamille cognome nachname familienname achternaam apellido apellidos"
    ),
    Field.EXTERNAL_ID: (
        "externalid externalcontactid contactid customerid crmid idclient idcontact numeroclient codicecliente "
        "idcliente kundennummer kundenid klantnummer numerodecliente"
    ),
    Field.CONSENT_TRACKING: "consentemailtracking",
    Field.CONSENT_OPENS: "consentemailopens",
    Field.CONSENT_CLICKS: "consentemailclicks",
    Field.REASON: "reason type status state raison motif statut etat motivo stato grund reden estado",
}


def _plain(name: str) -> str:
    """Without case, accents, spaces and punctuation: "Prénom " and "prenom" are one name."""
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    return "".join(character for character in decomposed if character.isalnum())


_FIELD_BY_NAME: Mapping[str, Field] = {word: field for field, words in _NAMES.items() for word in words.split()}


EXPORTED_SCOPE = "consent_scope"


def guess_mapping(header: Sequence[str], *, kind: Kind) -> dict[str, str]:
    """What each column is read as, by its name. Each field is taken once; other columns become attributes."""
    mapping: dict[str, str] = {}
    for name in header:
        field = _FIELD_BY_NAME.get(_plain(name))
        # An export names the scope of its choices; which one the answers of an import belong to is asked apart.
        if is_unnamed(name) or name == EXPORTED_SCOPE:
            mapping[name] = LEFT_OUT
        elif field in FIELDS_OF[kind] and field.value not in mapping.values():
            mapping[name] = field.value
        else:
            mapping[name] = attribute_target(name) if kind is Kind.PARTICIPANTS else LEFT_OUT
    return mapping


def name_column(name: str, number: int) -> str:
    """What a column is called here; one without a name gets its number."""
    return " ".join(name.split())[:MAX_COLUMN_NAME] or f"#{number}"


def is_unnamed(name: str) -> bool:
    return name.startswith("#") and name[1:].isdecimal()


def attribute_target(name: str) -> str:
    """An attribute named like the column."""
    return ATTRIBUTE_PREFIX + name[:MAX_ATTRIBUTE_NAME]


def check_mapping(header: Sequence[str], mapping: Mapping[str, str], *, kind: Kind) -> None:
    """Raises FileProblem when the file cannot be read that way."""
    for column in mapping:
        if column not in header:
            raise FileProblem(FileFault.UNKNOWN_COLUMN, column=column)
    taken: set[str] = set()
    for column, target in mapping.items():
        if target == LEFT_OUT:
            continue
        if not target.startswith(ATTRIBUTE_PREFIX) and target not in FIELDS_OF[kind]:
            raise FileProblem(FileFault.UNKNOWN_FIELD, column=target)
        if target in taken:
            raise FileProblem(FileFault.FIELD_TWICE, column=column)
        taken.add(target)
    if Field.EMAIL not in taken:
        raise FileProblem(FileFault.NO_EMAIL_COLUMN)


def has_consent(mapping: Mapping[str, str]) -> bool:
    """Whether the file says what people chose, so that its provenance is asked for (rules C7)."""
    return any(target in CONSENT_FIELDS for target in mapping.values())


# --- Where the answers of a file come from --------------------------------------------------------------------------

# All of it, once per import: where collected, when, which wording, where it can be looked up, who vouches (rules C7).
PROVENANCE = ("where", "collected_at", "wording", "evidence", "vouched_by")


def has_provenance(provenance: Mapping[str, str]) -> bool:
    """Whether a yes of the file counts. A part of it is not enough: what is missing is what nobody could prove."""
    return not missing_provenance(provenance)


def missing_provenance(provenance: Mapping[str, str]) -> list[str]:
    return [part for part in PROVENANCE if not str(provenance.get(part) or "").strip()]


# What is said of people who were informed and did not refuse (rule C10); the notice stands beside it.
INFORMED = ("ground", "collected_at", "informed_at", "evidence", "vouched_by")


def missing_informed(said: Mapping[str, str]) -> list[str]:
    return [part for part in INFORMED if not str(said.get(part) or "").strip()]


# --- Lists of suppressed addresses ----------------------------------------------------------------------------------


class SuppressedAs(StrEnum):
    """The values of delivery.models.SuppressionReason."""

    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


_REASON_WORDS: Mapping[SuppressedAs, str] = {
    SuppressedAs.UNSUBSCRIBED: (
        "unsubscribed unsubscribe unsub optout optedout desinscrit desinscrite desinscription desabonne desabonnement "
        "disiscritto disiscrizione cancellato abgemeldet abmeldung uitgeschreven afgemeld baja"
    ),
    SuppressedAs.BOUNCED: (
        "bounce bounced hardbounce hardbounced hard permanent permanentbounce undeliverable invalid "
        "invalidaddress dead npai rebond rimbalzato nonconsegnabile unzustellbar onbestelbaar rebotado"
    ),
    SuppressedAs.COMPLAINED: (
        "complaint complained complaints spam spamcomplaint spamreport markedasspam abuse feedbackloop fbl plainte "
        "reclamo segnalazione beschwerde klacht queja"
    ),
}
_REASON_BY_WORD = {word: reason for reason, words in _REASON_WORDS.items() for word in words.split()}
_TEMPORARY = frozenset({"soft", "softbounce", "softbounced", "temporary", "temporarybounce", "transient", "deferred"})


def parse_reason(text: str) -> SuppressedAs | Issue:
    """Why an older tool stopped writing to an address. Nothing said: as if the person had unsubscribed.

    An unknown word is listed (and counts as unsubscribed); a failure that passes is no reason to stop.
    """
    word = _plain(text)
    if not word:
        return SuppressedAs.UNSUBSCRIBED
    if word in _TEMPORARY:
        return Issue.TEMPORARY_BOUNCE
    return _REASON_BY_WORD.get(word, Issue.REASON_UNKNOWN)


def merge_answers(earlier: str | None, later: str | None) -> str | None:
    """One person twice in a file: the later answer counts, but a no is not undone by a yes of the same file (C6)."""
    return earlier if earlier == "no" or not later else later


def find_repeated(names: Iterable[str]) -> str | None:
    """The first name that stands there twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
