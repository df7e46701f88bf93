"""The words of the decision. Whoever shows one of them takes its sentence from consent/reasons.py."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """Opens and clicks are two choices (S3), with two permissions and two decisions."""

    OPENS = "opens"
    CLICKS = "clicks"


class Level(StrEnum):
    """How a sent copy is measured. Names, not a chain: what a hit leaves is in EFFECT_AT_HIT."""

    NONE = "none"
    # A count of the launch, under an address that many people share (S9).
    ANONYMOUS = "anonymous"
    # One date of the person, overwritten; opens only (S8).
    LAST_OPEN_DAY = "last_open_day"
    INDIVIDUAL = "individual"


LEVELS: dict[Kind, tuple[Level, ...]] = {
    Kind.OPENS: (Level.NONE, Level.ANONYMOUS, Level.LAST_OPEN_DAY, Level.INDIVIDUAL),
    Kind.CLICKS: (Level.NONE, Level.ANONYMOUS, Level.INDIVIDUAL),
}


class ChoiceValue(StrEnum):
    """What a person said. Unknown is not yes (S2), and it is not no either."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    # Was told and let it be. Never shown as a yes, and none where the rule table knows nothing of it (C10).
    INFORMED = "informed"


class InformedGround(StrEnum):
    """Why somebody counts as informed who did not refuse; ``consent.models`` has the labels."""

    EXISTING = "existing"
    PROFESSIONAL = "professional"


class Measurement(StrEnum):
    """What a notice can tell of, each for itself (S13): ``Notice.covers``."""

    OPENS = "opens"
    CLICKS = "clicks"
    ANONYMOUS = "anonymous"
    LAST_OPEN_DAY = "last_open_day"


class Purpose(StrEnum):
    """Why an email is sent."""

    MARKETING = "marketing"
    TRANSACTIONAL = "transactional"
    AUTHENTICATION = "authentication"
    LEGAL_NOTICE = "legal_notice"


class Untracked(StrEnum):
    """What is never measured, whatever the settings say (S14, C3)."""

    TEST_SEND = "test_send"
    PREVIEW = "preview"
    WEB_VERSION = "web_version"
    CONSENT_REQUEST = "consent_request"
    # Handed to an outside sender, who measures by itself whom Pli says it may.
    SENT_OUTSIDE = "sent_outside"


class Basis(StrEnum):
    """What a website permits for the people of one country, told in one word."""

    NEVER = "never"
    # Stop measuring now.
    STOPPED = "stopped"
    NO_NOTICE = "no_notice"
    # By consent: only people who said yes.
    WITH_YES = "with_yes"
    # Always, but a country asks for a yes: the same people, for another reason.
    WITH_YES_BY_LAW = "with_yes_by_law"
    # Always: everybody who did not say no.
    UNLESS_NO = "unless_no"


class Permit(StrEnum):
    """Each thing that a website may permit, with a moment of its own: ``<kind>_<permit>_since`` of the resolved row."""

    # People who said yes.
    WITH_YES = "with_yes"
    # Everybody who did not say no.
    UNLESS_NO = "unless_no"
    # People known before the rules who were informed in time and did not refuse (C10).
    IF_INFORMED = "if_informed"
    # People who left the ticked box of a website for professionals as it was (C2).
    PROFESSIONALS = "professionals"
    # Emails of an exempt purpose that a second person approved (S6), to everybody who did not say no.
    AUTHENTICATION = "authentication"
    LEGAL_NOTICE = "legal_notice"
    # Totals without a person (S9).
    ANONYMOUS = "anonymous"
    # The day of the last open (S8); opens only, and its moment stands once in a row.
    LAST_OPEN_DAY = "last_open_day"


class Reason(StrEnum):
    """Why a copy is measured or not; consent/reasons.py has the sentences."""

    PERSON_SAID_YES = "person_said_yes"
    PERSON_DID_NOT_REFUSE = "person_did_not_refuse"
    INFORMED_IN_TIME = "informed_in_time"
    PROFESSIONAL_DID_NOT_OBJECT = "professional_did_not_object"
    EXEMPT_AUTHENTICATION = "exempt_authentication"
    EXEMPT_LEGAL_NOTICE = "exempt_legal_notice"
    LAST_OPEN_DAY_ONLY = "last_open_day_only"
    COUNTED_WITHOUT_YES = "counted_without_yes"
    COUNTED_AFTER_NO = "counted_after_no"
    WEBSITE_NEVER_TRACKS = "website_never_tracks"
    MEASURING_STOPPED = "measuring_stopped"
    NO_NOTICE = "no_notice"
    PERSON_SAID_NO = "person_said_no"
    OBJECTED_TO_TOTALS = "objected_to_totals"
    NO_ANSWER = "no_answer"
    COUNTRY_ASKS_FOR_YES = "country_asks_for_yes"
    INFORMED_TOO_LATE = "informed_too_late"
    INFORMED_NOT_ENOUGH = "informed_not_enough"
    TICKED_BOX_NOT_ENOUGH = "ticked_box_not_enough"
    PERMISSION_BEGAN_LATER = "permission_began_later"
    VERSION_OF_A_TEST = "version_of_a_test"
    TEST_SEND = "test_send"
    PREVIEW = "preview"
    WEB_VERSION = "web_version"
    CONSENT_REQUEST = "consent_request"
    SENT_OUTSIDE = "sent_outside"


# Copies measured for an exempt purpose: what they record is for that purpose alone (S6), and no base of a rate.
EXEMPT_REASONS = frozenset({Reason.EXEMPT_AUTHENTICATION, Reason.EXEMPT_LEGAL_NOTICE})
