"""The sentences that say what was decided and why, in the words of the interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from consent.rules import Basis, Measurement, Reason, Verdict
from websites.rules import Column, RuleKey, RuleValue, Sureness

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

# Why one sent copy is measured or not. The first words say how.
REASONS: Mapping[Reason, _StrPromise] = {
    Reason.PERSON_SAID_YES: _("Measured: the person said yes to tracking."),
    Reason.PERSON_DID_NOT_REFUSE: _(
        "Measured: the website is set to Always track, no country asks for a yes or a legal justification covers it,"
        " and the person has not refused."
    ),
    Reason.INFORMED_IN_TIME: _(
        "Measured: the person was known before the rules, was informed in time, and has not refused. This is not a yes."
    ),
    Reason.PROFESSIONAL_DID_NOT_OBJECT: _(
        "Measured: the website is for professionals, and the person was told clearly and left the box ticked. This is"
        " not a yes."
    ),
    Reason.EXEMPT_AUTHENTICATION: _(
        "Measured: the email serves to authenticate, which two people confirmed. What is recorded serves nothing else."
    ),
    Reason.EXEMPT_LEGAL_NOTICE: _(
        "Measured: the law requires this notice, which two people confirmed. What is recorded serves nothing else."
    ),
    Reason.LAST_OPEN_DAY_ONLY: _(
        "Last open day: the person subscribed to this mail and has not refused. Nothing but the day of the last open"
        " is kept, to know whose address is still in use."
    ),
    Reason.COUNTED_WITHOUT_YES: _(
        "Counted anonymously: the person is not measured, and what they open or click adds to a total without anybody"
        " behind it."
    ),
    Reason.COUNTED_AFTER_NO: _(
        "Counted anonymously: the person refused to be measured, and has not objected to totals without anybody behind"
        " them."
    ),
    Reason.WEBSITE_NEVER_TRACKS: _("Not measured: the website is set to Never track."),
    Reason.MEASURING_STOPPED: _("Not measured: somebody pressed Stop measuring now on the website."),
    Reason.NO_NOTICE: _("Not measured: the website has no notice that informs people of this measurement."),
    Reason.PERSON_SAID_NO: _("Not measured: the person refused tracking."),
    Reason.OBJECTED_TO_TOTALS: _("Not measured: the person objected to being counted, even anonymously."),
    Reason.NO_ANSWER: _("Not measured: the website tracks by consent, and the person has not answered."),
    Reason.COUNTRY_ASKS_FOR_YES: _(
        "Not measured: the website is set to Always track, but its country or the person's asks for a yes,"
        " and the person has not answered."
    ),
    Reason.INFORMED_TOO_LATE: _(
        "Not measured: the person was informed and did not refuse, but was not known or not informed by the dates of"
        " the country's rules."
    ),
    Reason.INFORMED_NOT_ENOUGH: _(
        "Not measured: the person was informed and did not refuse, but the country's rules ask for a yes."
    ),
    Reason.TICKED_BOX_NOT_ENOUGH: _(
        "Not measured: the person left a ticked box as it was, which has no effect on this website or in this country."
    ),
    Reason.PERMISSION_BEGAN_LATER: _("Not measured: the permission began only after this copy was decided."),
    Reason.VERSION_OF_A_TEST: _("Not measured: totals that name nobody are not split by the versions of an A/B test."),
    Reason.TEST_SEND: _("Not measured: test sends never are."),
    Reason.PREVIEW: _("Not measured: previews never are."),
    Reason.WEB_VERSION: _("Not measured: the web version never is."),
    Reason.CONSENT_REQUEST: _("Not measured: messages that ask for consent never are."),
    Reason.SENT_OUTSIDE: _("Not measured by Pli: an outside sender sent it, and was told whom it may measure."),
}

# What a website permits for the people of one country.
BASES: Mapping[Basis, _StrPromise] = {
    Basis.NEVER: _("Nobody is measured: the website is set to Never track."),
    Basis.STOPPED: _("Nobody is measured: somebody pressed Stop measuring now."),
    Basis.NO_NOTICE: _("Nobody is measured: the website has no notice that informs people of this measurement."),
    Basis.WITH_YES: _("People who said yes are measured: the website tracks by consent."),
    Basis.WITH_YES_BY_LAW: _(
        "People who said yes are measured: the website is set to Always track, but its country or theirs asks for"
        " a yes."
    ),
    Basis.UNLESS_NO: _("Everybody is measured except people who refused: the website is set to Always track."),
}

# What became of an answer that somebody brought.
VERDICTS: Mapping[Verdict, _StrPromise] = {
    Verdict.APPLIED: _("Applied."),
    Verdict.UNCHANGED: _("Nothing to change."),
    Verdict.KEPT_PERSONS_OWN: _("Not applied: the person's own choice stands."),
    Verdict.KEPT_NEWER: _("Not applied: a newer choice is known."),
    Verdict.KEPT_NO: _("Not applied: only a later act of the person turns a no into a yes."),
    Verdict.NO_PROVENANCE: _("Not applied: a yes needs to say where, when and with which words it was given."),
}


# --- The rule table, for the pages that show it -----------------------------------------------------------------------

RULE_KEYS: Mapping[RuleKey, _StrPromise] = {
    RuleKey.INDIVIDUAL_OPENS: _("Opens of single people"),
    RuleKey.INDIVIDUAL_CLICKS: _("Clicks of single people"),
    RuleKey.ANONYMOUS_OPENS: _("Opens as anonymous totals"),
    RuleKey.ANONYMOUS_CLICKS: _("Clicks as anonymous totals"),
    RuleKey.LAST_OPEN_DAY: _("Day of the last open, to keep lists clean"),
    RuleKey.AUTHENTICATION_SECURITY: _("Emails for authentication and security"),
    RuleKey.LEGAL_NOTICE: _("Notices that the law requires"),
    RuleKey.INFORMED_DID_NOT_REFUSE: _("People known before the rules: informed, did not refuse"),
    RuleKey.PROFESSIONALS_OPT_OUT: _("Professionals: ticked box with easy objection"),
}
RULE_VALUES: Mapping[RuleValue, _StrPromise] = {
    RuleValue.NOT_ALLOWED: _("Not allowed"),
    RuleValue.JUSTIFICATION: _("Disputed: only with a legal justification"),
    RuleValue.CONSENT: _("Needs a yes"),
    RuleValue.SUBSCRIBED_MAIL: _("Allowed for mail that the person subscribed to"),
    RuleValue.RATE_ONLY: _("A rate only, with a notice"),
    RuleValue.IF_INFORMED: _("Allowed if collected and informed by the dates"),
    RuleValue.INFORM_OBJECTION: _("Allowed: inform, and respect an objection"),
    RuleValue.ALLOWED: _("Allowed"),
    RuleValue.EXEMPT: _("Exempt"),
}
SURENESSES: Mapping[Sureness, _StrPromise] = {
    Sureness.TEXT: _("A text says so"),
    Sureness.OUR_READING: _("Our reading"),
    Sureness.DISPUTED: _("Disputed"),
}
COLUMNS: Mapping[Column, _StrPromise] = {
    Column.FR: _("France"),
    Column.IT: _("Italy"),
    Column.EU: _("EU, EEA and all others"),
    Column.GB: _("United Kingdom"),
    Column.CH: _("Switzerland"),
}
MEASUREMENTS: Mapping[Measurement, _StrPromise] = {
    Measurement.OPENS: _("Opens of single people"),
    Measurement.CLICKS: _("Clicks of single people"),
    Measurement.ANONYMOUS: _("Anonymous totals"),
    Measurement.LAST_OPEN_DAY: _("Day of the last open"),
}
