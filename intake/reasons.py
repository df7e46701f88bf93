"""Sentences about files and their rows, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from intake.rules import Field, FileFault, FileProblem, Issue
from participants.reasons import EMAIL_FAULTS
from participants.rules import EmailFault

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

FILE_FAULTS: Mapping[FileFault, _StrPromise] = {
    FileFault.EMPTY: _("The file is empty."),
    FileFault.SPREADSHEET: _("This is a spreadsheet file. Save it as CSV and upload that."),
    FileFault.COMPRESSED: _("This is a compressed file. Unpack it and upload the CSV file in it."),
    FileFault.BINARY: _("This is not a text file: there is a NUL byte near row %(row)s."),
    FileFault.ENCODING: _("The file says that it is UTF-16, but it cannot be read as that."),
    FileFault.LINE_TOO_LONG: _("The line near row %(row)s is longer than 1 MB. Is this a CSV file?"),
    FileFault.NO_HEADER: _("The first row must hold the names of the columns, such as email and country."),
    FileFault.TOO_MANY_COLUMNS: _("The file has more than 200 columns."),
    FileFault.COLUMN_TWICE: _("Two columns are named “%(column)s”. Give each column its own name."),
    FileFault.NO_EMAIL_COLUMN: _("No column holds the email address. Name it email, or say which one it is."),
    FileFault.FIELD_TWICE: _("The column “%(column)s” is read as something that another column holds already."),
    FileFault.UNKNOWN_FIELD: _("“%(column)s” is nothing that a column can be read as."),
    FileFault.UNKNOWN_COLUMN: _("The file has no column named “%(column)s”."),
    FileFault.BAD_QUOTES: _("Row %(row)s has a quotation mark that is not closed, or one in a wrong place."),
    FileFault.NO_ROWS: _("The file has column names, but no rows."),
    FileFault.UNREADABLE: _("The file is not there any more, or cannot be read. Upload it again."),
    FileFault.OUR_ERROR: _("An error of ours stopped the import. The rows counted here are imported."),
}


def file_problem_sentence(problem: FileProblem) -> str:
    """What is wrong with a file, for the person whose file it is."""
    return str(FILE_FAULTS[problem.fault]) % {"row": problem.row, "column": problem.column[:100]}


ISSUES: Mapping[Issue, _StrPromise] = {
    Issue.EMAIL_EMPTY: EMAIL_FAULTS[EmailFault.EMPTY],
    Issue.EMAIL_LINE_BREAK: EMAIL_FAULTS[EmailFault.LINE_BREAK],
    Issue.EMAIL_TOO_LONG: EMAIL_FAULTS[EmailFault.TOO_LONG],
    Issue.EMAIL_NO_AT: EMAIL_FAULTS[EmailFault.NO_AT],
    Issue.EMAIL_NOT_ASCII: EMAIL_FAULTS[EmailFault.NOT_ASCII],
    Issue.EMAIL_NOT_AN_ADDRESS: EMAIL_FAULTS[EmailFault.NOT_AN_ADDRESS],
    Issue.TOO_MANY_CELLS: _("The row has more cells than there are columns; it was left out."),
    Issue.COUNTRY_UNKNOWN: _("This is no country code such as FR or FRA; the country was left as it was."),
    Issue.LOCALE_UNKNOWN: _("This is no language such as fr or fr-BE; the language was left as it was."),
    Issue.TEXT_TOO_LONG: _("This is too long; it was left out."),
    Issue.CONSENT_UNREADABLE: _("This is neither yes nor no; the tracking consent was left as it was."),
    Issue.CONSENT_CONTRADICTS: _("The consent columns of this row contradict each other; nothing was changed."),
    Issue.YES_WITHOUT_PROVENANCE: _(
        "A yes counts only with its provenance (where, when, wording, evidence, who vouches); it stays unknown."
    ),
    Issue.KEPT_PERSONS_OWN: _("The person's own choice stands; the file does not change it."),
    Issue.KEPT_NEWER: _("A newer answer stands; the file does not change it."),
    Issue.KEPT_NO: _("A no stands; only a later act of the person turns it into a yes."),
    Issue.INFORMED_NOT_ALLOWED: _(
        "Where this person is, being informed does not stand in for a yes; the tracking consent stays unknown."
    ),
    Issue.INFORMED_TOO_LATE: _(
        "Where this person is, addresses had to be collected, and people informed, earlier; the tracking consent stays "
        "unknown."
    ),
    Issue.NOT_RESUBSCRIBED: _("This person unsubscribed, or the address is suppressed; no subscription was made."),
    Issue.REASON_UNKNOWN: _("This reason is not known; the address counts as unsubscribed."),
    Issue.TEMPORARY_BOUNCE: _("A temporary failure is no reason to stop writing; the row was left out."),
}

ERASED = _("The person with this address was erased. They can come back themselves, with a form.")

FIELDS: Mapping[Field, _StrPromise] = {
    Field.EMAIL: _("Email address"),
    Field.COUNTRY: _("Country"),
    Field.LOCALE: _("Language"),
    Field.FIRST_NAME: _("First name"),
    Field.LAST_NAME: _("Last name"),
    Field.EXTERNAL_ID: _("External contact id"),
    Field.CONSENT_TRACKING: _("Tracking consent (opens and clicks)"),
    Field.CONSENT_OPENS: _("Tracking consent: opens"),
    Field.CONSENT_CLICKS: _("Tracking consent: clicks"),
    Field.REASON: _("Reason (unsubscribed, bounced, complained)"),
}

# intake.rules.PROVENANCE, as the form asks for it.
PROVENANCE_PARTS: Mapping[str, _StrPromise] = {
    "where": _("where the answers were collected"),
    "collected_at": _("the day of collection"),
    "wording": _("the wording that people saw"),
    "evidence": _("where the evidence can be looked up"),
    "vouched_by": _("who vouches for it"),
}

# intake.rules.INFORMED, as the form asks for it.
INFORMED_PARTS: Mapping[str, _StrPromise] = {
    "ground": _("why they count as informed"),
    "collected_at": _("the day on which the addresses came in"),
    "informed_at": _("the day on which they were informed"),
    "evidence": _("where the evidence can be looked up"),
    "vouched_by": _("who vouches for it"),
}

# What was counted, in the order of a report. Issues are counted under their own names.
COUNTED: Mapping[str, _StrPromise] = {
    "created": ngettext_lazy("%d new participant", "%d new participants"),
    "updated": ngettext_lazy("%d participant updated", "%d participants updated"),
    "unchanged": ngettext_lazy("%d participant was so already", "%d participants were so already"),
    "rejected": ngettext_lazy("%d row left out", "%d rows left out"),
    "erased": ngettext_lazy(
        "%d row left out, since the person was erased and only they can come back",
        "%d rows left out, since the people were erased and only they can come back",
    ),
    "duplicates": ngettext_lazy(
        "%d row repeated an address of the same file; the last one counted",
        "%d rows repeated an address of the same file; the last one counted",
    ),
    "moved": ngettext_lazy("%d person is in another country now", "%d people are in another country now"),
    "choices_recorded": ngettext_lazy("%d answer about tracking recorded", "%d answers about tracking recorded"),
    "informed": ngettext_lazy(
        "%d person recorded as informed, did not refuse", "%d people recorded as informed, did not refuse"
    ),
    "informed_already": ngettext_lazy(
        "%d person had answered, or was recorded as informed already",
        "%d people had answered, or were recorded as informed already",
    ),
    "subscribed": ngettext_lazy("%d subscription made", "%d subscriptions made"),
    "subscribed_already": ngettext_lazy("%d person was subscribed already", "%d people were subscribed already"),
    "participations": ngettext_lazy("%d person joined the campaign", "%d people joined the campaign"),
    "suppressed": ngettext_lazy("%d address suppressed", "%d addresses suppressed"),
    "suppressed_already": ngettext_lazy("%d address was suppressed already", "%d addresses were suppressed already"),
    "subscriptions_ended": ngettext_lazy("%d subscription ended", "%d subscriptions ended"),
    Issue.YES_WITHOUT_PROVENANCE: ngettext_lazy(
        "%d yes without provenance stays unknown", "%d yeses without provenance stay unknown"
    ),
    Issue.KEPT_PERSONS_OWN: ngettext_lazy(
        "%d answer left aside, since the person's own choice stands",
        "%d answers left aside, since the person's own choice stands",
    ),
    Issue.KEPT_NEWER: ngettext_lazy(
        "%d answer left aside, since a newer one stands", "%d answers left aside, since a newer one stands"
    ),
    Issue.INFORMED_NOT_ALLOWED: ngettext_lazy(
        "%d person stays unknown, since being informed does not count where they are",
        "%d people stay unknown, since being informed does not count where they are",
    ),
    Issue.INFORMED_TOO_LATE: ngettext_lazy(
        "%d person stays unknown, having been collected or informed too late for where they are",
        "%d people stay unknown, having been collected or informed too late for where they are",
    ),
    Issue.KEPT_NO: ngettext_lazy("%d yes left aside, since a no stands", "%d yeses left aside, since a no stands"),
    Issue.NOT_RESUBSCRIBED: ngettext_lazy(
        "%d person not subscribed, having unsubscribed or being suppressed",
        "%d people not subscribed, having unsubscribed or being suppressed",
    ),
    Issue.CONSENT_UNREADABLE: ngettext_lazy("%d consent cell not understood", "%d consent cells not understood"),
    Issue.CONSENT_CONTRADICTS: ngettext_lazy(
        "%d row with consent columns that contradict each other",
        "%d rows with consent columns that contradict each other",
    ),
    Issue.COUNTRY_UNKNOWN: ngettext_lazy("%d country not understood", "%d countries not understood"),
    Issue.LOCALE_UNKNOWN: ngettext_lazy("%d language not understood", "%d languages not understood"),
    Issue.TEXT_TOO_LONG: ngettext_lazy("%d cell too long", "%d cells too long"),
    Issue.REASON_UNKNOWN: ngettext_lazy(
        "%d unknown reason, counted as unsubscribed", "%d unknown reasons, counted as unsubscribed"
    ),
}


def count_sentences(counts: Mapping[str, int]) -> list[str]:
    """What an import did, in words; zeros are left out."""
    return [str(sentence % counts[key]) for key, sentence in COUNTED.items() if counts.get(key)]
