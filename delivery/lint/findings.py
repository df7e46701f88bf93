"""What the privacy lint can say: what is wrong, where, and how to put it right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

SNIPPET = 120


class Severity(StrEnum):
    """Errors keep an email from being sent; remarks are worth a look."""

    ERROR = "error"
    REMARK = "remark"


class Code(StrEnum):
    FOREIGN_PIXEL = "foreign_pixel"
    SPACER = "spacer"
    OPEN_TRACKER = "open_tracker"
    CLICK_TRACKER = "click_tracker"
    RESOURCE_DIFFERS = "resource_differs"
    LINK_DIFFERS = "link_differs"
    ADDRESS_IN_URL = "address_in_url"
    ATTRIBUTE_IN_URL = "attribute_in_url"
    KEY_IN_URL = "key_in_url"
    PERSON_PARAMETER = "person_parameter"
    WEB_FONT = "web_font"
    REMOTE_STYLE = "remote_style"
    FORM = "form"
    SCRIPT = "script"
    EMBEDDED = "embedded"
    NO_UNSUBSCRIBE = "no_unsubscribe"
    NO_PREFERENCES = "no_preferences"
    NO_SENDER = "no_sender"
    NO_CONSENT_LINK = "no_consent_link"


REMARKS = frozenset({Code.SPACER})

SENTENCES: Mapping[Code, _StrPromise] = {
    Code.FOREIGN_PIXEL: _("A hidden or one-pixel image tells its server who opened the email and when."),
    Code.SPACER: _("This image cannot be seen. It looks like a spacer, the same for everybody."),
    Code.OPEN_TRACKER: _("This is loaded from %(what)s, which counts who opens emails."),
    Code.CLICK_TRACKER: _("This link goes through %(what)s, which counts who clicks."),
    Code.RESOURCE_DIFFERS: _(
        "This image, style or file is not the same for everyone: its address would tell who opened the email."
    ),
    Code.LINK_DIFFERS: _("This link is not the same for everyone: it would tell who clicked."),
    Code.ADDRESS_IN_URL: _(
        "This address carries the recipient’s email address, as it is or encoded. Servers on the way write it down."
    ),
    Code.ATTRIBUTE_IN_URL: _("This link carries something about the recipient: %(what)s."),
    Code.KEY_IN_URL: _("This link hands the recipient’s personal link (%(what)s) to another site."),
    Code.PERSON_PARAMETER: _(
        "The parameter “%(what)s” names one person to a measuring service. It was probably copied from somebody’s mail."
    ),
    Code.WEB_FONT: _("A web font is loaded when the email is opened, which tells its server who opened it and when."),
    Code.REMOTE_STYLE: _(
        "Styles are loaded when the email is opened, which tells their server who opened it and when."
    ),
    Code.FORM: _("A form in an email sends what people type without a page that informs them."),
    Code.SCRIPT: _("A script in an email could watch its reader. Mail programs remove it or hide the email."),
    Code.EMBEDDED: _("This puts another site’s page or file into the email, which tells that site who opened it."),
    Code.NO_UNSUBSCRIBE: _("Nobody can see the link to unsubscribe: it is hidden or has no text."),
    Code.NO_PREFERENCES: _("Nobody can see the link to the tracking choice: it is hidden or has no text."),
    Code.NO_SENDER: _("Nobody can see who sends this: the legal name or the postal address is missing or hidden."),
    Code.NO_CONSENT_LINK: _("An email that asks for consent needs a link to the page where people answer."),
}

CURES: Mapping[Code, _StrPromise] = {
    Code.FOREIGN_PIXEL: _("Take it out. Who may be measured is measured by Pli, from the website’s email tracking."),
    Code.SPACER: _("Padding or a table cell with a height does the same without an image."),
    Code.OPEN_TRACKER: _("Take it out, or load the same picture from your own website."),
    Code.CLICK_TRACKER: _("Link straight to the page that people should reach."),
    Code.RESOURCE_DIFFERS: _("Use one address for everybody, outside of conditions about a person."),
    Code.LINK_DIFFERS: _(
        "Use the same link for everybody. If it works only with what it carries (a voucher, a new password, a prefilled"
        " form), declare it under Functional links with the reason."
    ),
    Code.ADDRESS_IN_URL: _("Take the address out. A page that has to know people can ask them to sign in."),
    Code.ATTRIBUTE_IN_URL: _(
        "Take it out. If the link works only with it (a voucher, a new password, a prefilled form), declare it under"
        " Functional links with the reason."
    ),
    Code.KEY_IN_URL: _("Link to it alone: the whole address of the link is the variable, and nothing else."),
    Code.PERSON_PARAMETER: _("Take the parameter out of the address. Parameters that name a campaign may stay."),
    Code.WEB_FONT: _("Use fonts that people’s devices have, such as Arial or Georgia."),
    Code.REMOTE_STYLE: _("Put the styles into the email itself."),
    Code.FORM: _("Link to a page with the form."),
    Code.SCRIPT: _("Take it out."),
    Code.EMBEDDED: _("Show a picture that links to it."),
    Code.NO_UNSUBSCRIBE: _("Make the link visible, or take yours out: then Pli adds one at the end."),
    Code.NO_PREFERENCES: _("Make the link visible, or take yours out: then Pli adds one at the end."),
    Code.NO_SENDER: _(
        "Show {{ legal_name }} and {{ legal_address }}, or take yours out: then Pli adds them at the end."
    ),
    Code.NO_CONSENT_LINK: _("Add a button or a link to {{ consent_url }} that everybody can see."),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the lint found, at its place in what the author wrote."""

    code: Code
    # Which field of the email: body or text.
    field: str = "body"
    line: int | None = None
    column: int | None = None
    snippet: str = ""
    what: str = ""
    # As it stands there, in full: a link is declared functional by it.
    written: str = ""

    @property
    def severity(self) -> Severity:
        return Severity.REMARK if self.code in REMARKS else Severity.ERROR

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR

    @property
    def sentence(self) -> str:
        return str(SENTENCES[self.code]) % {"what": self.what} if self.what else str(SENTENCES[self.code])

    @property
    def cure(self) -> str:
        return str(CURES[self.code])

    @property
    def may_be_declared(self) -> bool:
        """Whether it is fine if the link works only with what it carries."""
        return self.code in (Code.LINK_DIFFERS, Code.ATTRIBUTE_IN_URL) and bool(self.written)

    @property
    def place(self) -> str:
        """Where it stands, in words; empty when it stands nowhere, because it is missing."""
        if self.line is None:
            return ""
        return gettext("line %(line)s, column %(column)s") % {"line": self.line, "column": self.column}

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        return f"{place}{self.sentence} {self.cure}"


def found(code: Code, source: str, start: int, end: int, *, field: str = "body", what: str = "") -> Finding:
    """A finding at ``source[start:end]``."""
    line_start = source.rfind("\n", 0, start) + 1
    return Finding(
        code=code,
        field=field,
        line=source.count("\n", 0, start) + 1,
        column=start - line_start + 1,
        snippet=_shortened(source[start:end]),
        what=what,
        written=source[start:end],
    )


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SNIPPET else f"{line[: SNIPPET - 1]}…"
