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
    INDIVIDUAL = "individual"


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
    """What is never measured, whatever the settings say (S14)."""

    TEST_SEND = "test_send"
    PREVIEW = "preview"
    WEB_VERSION = "web_version"


class Basis(StrEnum):
    """What a website permits for the people of one country."""

    NEVER = "never"
    NO_NOTICE = "no_notice"
    # By consent: only people who said yes.
    WITH_YES = "with_yes"
    # Always, but a country asks for a yes: the same people, for another reason.
    WITH_YES_BY_LAW = "with_yes_by_law"
    # Always: everybody who did not say no.
    UNLESS_NO = "unless_no"


class Reason(StrEnum):
    """Why a copy is measured or not; consent/reasons.py has the sentences."""

    PERSON_SAID_YES = "person_said_yes"
    PERSON_DID_NOT_REFUSE = "person_did_not_refuse"
    WEBSITE_NEVER_TRACKS = "website_never_tracks"
    NO_NOTICE = "no_notice"
    PERSON_SAID_NO = "person_said_no"
    NO_ANSWER = "no_answer"
    COUNTRY_ASKS_FOR_YES = "country_asks_for_yes"
    PERMISSION_BEGAN_LATER = "permission_began_later"
    TEST_SEND = "test_send"
    PREVIEW = "preview"
    WEB_VERSION = "web_version"
