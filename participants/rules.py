"""Which addresses we can write to, how two of them are compared, and how countries and languages are read.

Addresses are kept in a form that every mail server takes: ASCII, with an international domain in its ASCII form.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from secrets import token_hex
from typing import NamedTuple

from email_validator import EmailNotValidError, validate_email

MAX_EMAIL = 254
MAX_LOCAL_PART = 64
MAX_LOCALE = 10


class EmailFault(StrEnum):
    """Why an address is refused; participants/reasons.py has the sentences."""

    EMPTY = "empty"
    LINE_BREAK = "line_break"
    TOO_LONG = "too_long"
    NO_AT = "no_at"
    # Letters that most mail servers do not take before the @.
    NOT_ASCII = "not_ascii"
    NOT_AN_ADDRESS = "not_an_address"


class AddressError(ValueError):
    """An address that we cannot write to."""

    def __init__(self, fault: EmailFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class Address(NamedTuple):
    """An address as we write to it, and as it is compared."""

    email: str
    norm: str


# Nearly every address of a file; all others go the slow way. "--" is for international labels, which need more care.
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]++"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?+"
_PLAIN = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*+@(?:{_LABEL}\.)+[a-z][a-z0-9-]{{0,61}}[a-z0-9]", re.ASCII)
_TOP_LEVEL = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]", re.ASCII)
# Spreadsheets and web pages leave these behind; nobody sees them.
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"


def parse_email(text: str) -> Address:
    """The address in a cell or field. Raises AddressError."""
    email = text.strip()
    norm = email.lower()
    plain = _PLAIN.fullmatch(norm) and len(norm) <= MAX_EMAIL and "--" not in norm
    if plain and (len(email) == len(text) or not _has_control(text)):
        return Address(email, norm)
    return _parse_odd_email(text)


def parse_emails(texts: Sequence[str]) -> tuple[list[str], list[str], dict[int, AddressError]]:
    """Many addresses at once: how they are written, how they are compared, and which are refused, by their place.

    Says what ``parse_email`` says, in a third of the time: nearly all of a file pass through the pattern alone.
    """
    emails = list(map(str.strip, texts))
    norms = list(map(str.lower, emails))
    # Each question is asked of all of them together, and of one after the other only where the answer is yes.
    plain = list(map(_PLAIN.fullmatch, norms))
    odd = {place for place, match in enumerate(plain) if match is None} if None in plain else set()
    if max(map(len, norms), default=0) > MAX_EMAIL or "--" in "".join(norms):
        odd.update(place for place, norm in enumerate(norms) if len(norm) > MAX_EMAIL or "--" in norm)
    if emails != list(texts):
        odd.update(place for place, text in enumerate(texts) if text != emails[place])
    refused = {}
    for place in sorted(odd):
        try:
            emails[place], norms[place] = parse_email(texts[place])
        except AddressError as error:
            # Without its traceback: that holds this frame, and so all of the addresses, in a cycle.
            refused[place] = AddressError(error.fault)
    return emails, norms, refused


def _parse_odd_email(text: str) -> Address:
    if _has_control(text):
        raise AddressError(EmailFault.LINE_BREAK)
    email = unicodedata.normalize("NFC", text).strip().strip(_INVISIBLE).strip()
    if not email:
        raise AddressError(EmailFault.EMPTY)
    local, at, domain = email.rpartition("@")
    if len(email) > MAX_EMAIL or len(local) > MAX_LOCAL_PART:
        raise AddressError(EmailFault.TOO_LONG)
    if not at:
        raise AddressError(EmailFault.NO_AT)
    if not local.isascii():
        raise AddressError(EmailFault.NOT_ASCII)
    domain = _ascii_domain(email)
    return Address(f"{local}@{domain}", f"{local.lower()}@{domain}")


def _ascii_domain(email: str) -> str:
    try:
        found = validate_email(email, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise AddressError(EmailFault.NOT_AN_ADDRESS) from error
    domain = (found.ascii_domain or "").lower()
    _rest, dot, top_level = domain.rpartition(".")
    if not dot or not _TOP_LEVEL.fullmatch(top_level):
        raise AddressError(EmailFault.NOT_AN_ADDRESS)
    if len(domain) + len(email.rpartition("@")[0]) >= MAX_EMAIL:
        raise AddressError(EmailFault.TOO_LONG)
    return domain


def _has_control(text: str) -> bool:
    return any(unicodedata.category(character) == "Cc" for character in text)


def normalise_email(text: str) -> str:
    """What addresses are compared by. Of what is no address, a best effort: it equals no person's."""
    try:
        return parse_email(text).norm
    except AddressError:
        return unicodedata.normalize("NFC", text).strip().lower()


def valid_email(text: str) -> bool:
    """Whether we can write to it."""
    try:
        parse_email(text)
    except AddressError:
        return False
    return True


# ISO 3166-1: two letters, then three.
_ISO_3166 = """
ADAND AEARE AFAFG AGATG AIAIA ALALB AMARM AOAGO AQATA ARARG ASASM ATAUT AUAUS AWABW AXALA AZAZE BABIH BBBRB
BDBGD BEBEL BFBFA BGBGR BHBHR BIBDI BJBEN BLBLM BMBMU BNBRN BOBOL BQBES BRBRA BSBHS BTBTN BVBVT BWBWA BYBLR
BZBLZ CACAN CCCCK CDCOD CFCAF CGCOG CHCHE CICIV CKCOK CLCHL CMCMR CNCHN COCOL CRCRI CUCUB CVCPV CWCUW CXCXR
CYCYP CZCZE DEDEU DJDJI DKDNK DMDMA DODOM DZDZA ECECU EEEST EGEGY EHESH ERERI ESESP ETETH FIFIN FJFJI FKFLK
FMFSM FOFRO FRFRA GAGAB GBGBR GDGRD GEGEO GFGUF GGGGY GHGHA GIGIB GLGRL GMGMB GNGIN GPGLP GQGNQ GRGRC GSSGS
GTGTM GUGUM GWGNB GYGUY HKHKG HMHMD HNHND HRHRV HTHTI HUHUN IDIDN IEIRL ILISR IMIMN ININD IOIOT IQIRQ IRIRN
ISISL ITITA JEJEY JMJAM JOJOR JPJPN KEKEN KGKGZ KHKHM KIKIR KMCOM KNKNA KPPRK KRKOR KWKWT KYCYM KZKAZ LALAO
LBLBN LCLCA LILIE LKLKA LRLBR LSLSO LTLTU LULUX LVLVA LYLBY MAMAR MCMCO MDMDA MEMNE MFMAF MGMDG MHMHL MKMKD
MLMLI MMMMR MNMNG MOMAC MPMNP MQMTQ MRMRT MSMSR MTMLT MUMUS MVMDV MWMWI MXMEX MYMYS MZMOZ NANAM NCNCL NENER
NFNFK NGNGA NINIC NLNLD NONOR NPNPL NRNRU NUNIU NZNZL OMOMN PAPAN PEPER PFPYF PGPNG PHPHL PKPAK PLPOL PMSPM
PNPCN PRPRI PSPSE PTPRT PWPLW PYPRY QAQAT REREU ROROU RSSRB RURUS RWRWA SASAU SBSLB SCSYC SDSDN SESWE SGSGP
SHSHN SISVN SJSJM SKSVK SLSLE SMSMR SNSEN SOSOM SRSUR SSSSD STSTP SVSLV SXSXM SYSYR SZSWZ TCTCA TDTCD TFATF
TGTGO THTHA TJTJK TKTKL TLTLS TMTKM TNTUN TOTON TRTUR TTTTO TVTUV TWTWN TZTZA UAUKR UGUGA UMUMI USUSA UYURY
UZUZB VAVAT VCVCT VEVEN VGVGB VIVIR VNVNM VUVUT WFWLF WSWSM YEYEM YTMYT ZAZAF ZMZMB ZWZWE
"""
# What people write though ISO does not.
_ALIASES = {"UK": "GB", "EL": "GR"}


def _country_codes() -> Mapping[str, str]:
    pairs = _ISO_3166.split()
    return _ALIASES | {pair[:2]: pair[:2] for pair in pairs} | {pair[2:]: pair[:2] for pair in pairs}


_COUNTRIES = _country_codes()


@lru_cache(maxsize=1024)
def parse_country(text: str) -> str | None:
    """The two-letter code for a code of two or three letters; "" for nothing, None for what is no code."""
    word = text.strip().upper()
    return _COUNTRIES.get(word) if word else ""


_LOCALE = re.compile(r"([a-z]{2,3})((?:[-_][a-z0-9]{2,8})*)", re.IGNORECASE)


@lru_cache(maxsize=1024)
def parse_locale(text: str) -> str | None:
    """A language tag as "fr" or "fr-BE"; "" for nothing, None for what is none."""
    word = text.strip()
    if not word:
        return ""
    match = _LOCALE.fullmatch(word)
    if match is None:
        return None
    language, *rest = re.split("[-_]", word)
    tag = "-".join([language.lower(), *map(_subtag, rest)])
    return tag if len(tag) <= MAX_LOCALE else None


def _subtag(text: str) -> str:
    if len(text) == 2:
        return text.upper()
    return text.title() if len(text) == 4 else text.lower()


# --- Names in the history ---------------------------------------------------------------------------------------------


def new_ledger_ids(count: int) -> list[str]:
    """Random UUIDs (RFC 9562, version 4) for people who come together, alike in their first half.

    So they stand side by side in the indexes of people and of their history, and cost one look at the source of random
    numbers: PostgreSQL's gen_random_uuid() was a sixth of an import. All that the first half says is that they came
    together, and so does the moment that their history begins with.
    """
    together = f"{token_hex(6)}4{token_hex(2)[:3]}8"
    digits = token_hex(8 * count)
    return [together + digits[start : start + 15] for start in range(0, 16 * count, 16)]
