"""What public pages and the mails of people say, beyond their templates. All of it exists in six languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

# --- The questions, which the history keeps word for word ----------------------------------------------------------


def tracking_question(organization: str, websites: Sequence[str]) -> str:
    """The question about opens and clicks. It names what a yes covers (rule C8)."""
    if not websites:
        return _(
            "May %(organization)s measure whether you open its emails, and which of their links you follow? "
            "It uses this to improve what it sends. You get the same emails whatever you answer."
        ) % {"organization": organization}
    return _(
        "May %(organization)s measure whether you open the emails of %(websites)s, and which of their links you "
        "follow? It uses this to improve what it sends. You get the same emails whatever you answer."
    ) % {"organization": organization, "websites": ", ".join(websites)}


def totals_explained(websites: Sequence[str]) -> str:
    """What anonymous totals are, and what an objection can reach (rule S4)."""
    return _(
        "%(websites)s: how often an email is opened and its links are followed is counted for everybody together. "
        "These totals name nobody, and your answer above does not change them. If you object, you are left out of "
        "them from the next email on. Emails that you already have share their address with those of many others: "
        "they cannot be told apart, and stay in the totals."
    ) % {"websites": ", ".join(websites)}


def topic_request(topic: str, website: str) -> str:
    """What somebody asks for who subscribes to a topic on their page."""
    return _("Send me “%(topic)s” of %(website)s by email.") % {"topic": topic, "website": website}


# --- Answers, short ------------------------------------------------------------------------------------------------


def answer(value: str) -> str:
    """A choice as a person reads it; what somebody did not say is never shown as a yes (rule C10)."""
    return {
        "yes": _("Yes"),
        "no": _("No"),
        "informed": _("You were informed, and did not refuse"),
    }.get(value, _("Not answered"))


def level(value: str) -> str:
    """How one sent copy is measured."""
    return {
        "individual": _("measured for you personally"),
        "last_open_day": _("only the day of your latest open"),
        "anonymous": _("only in anonymous totals"),
    }.get(value, _("not measured"))


def decision_reason(reason: str) -> str:
    """Why a copy was measured or not, said to the person that it went to."""
    return {
        "person_said_yes": _("You said yes."),
        "person_did_not_refuse": _("The website measures everybody who does not refuse, and you had not refused."),
        "informed_in_time": _("You were informed in time, and had not refused."),
        "professional_did_not_object": _(
            "The website is for professionals. You left the ticked box as it was, and had not objected."
        ),
        "exempt_authentication": _("It served your sign-in or your security. Nothing else may use it."),
        "exempt_legal_notice": _("It was a notice that the law requires. Nothing else may use it."),
        "last_open_day_only": _("Only the day is kept, so that mail that nobody reads can end."),
        "counted_without_yes": _("You had not said yes: counted together with everybody, without your name."),
        "counted_after_no": _("You said no: counted together with everybody, without your name."),
        "website_never_tracks": _("The website measures nobody."),
        "measuring_stopped": _("Measuring was stopped on this website."),
        "no_notice": _("The website has not informed people about this measurement."),
        "person_said_no": _("You said no."),
        "objected_to_totals": _("You objected to being counted."),
        "no_answer": _("You had not answered, and no answer is not a yes."),
        "country_asks_for_yes": _("Your country or the website’s asks for a yes, and you had not answered."),
        "informed_too_late": _("You were informed too late, and had not answered."),
        "informed_not_enough": _("To have been informed is not enough in your country, and you had not answered."),
        "ticked_box_not_enough": _("A box ticked beforehand is not enough in your country, and you had not answered."),
        "permission_began_later": _("This copy was written before measuring was permitted."),
        "version_of_a_test": _("It was one of several versions that were tried, and those are not counted in totals."),
        "test_send": _("It was a test."),
        "preview": _("It was a preview."),
        "web_version": _("It was read on the web."),
        "consent_request": _("It asked for your consent, and such messages are not measured."),
        "sent_outside": _("Another service sent it, and was told whether you may be measured."),
    }.get(reason, "")


def actor(value: str) -> str:
    """Who caused a hit, as far as it can be told (rule H5)."""
    return {
        "machine": _("automatic, for example by your mail program"),
        "unsure": _("possibly automatic"),
    }.get(value, "")


def kind(value: str) -> str:
    """What a choice was about."""
    return {"opens": _("Opens"), "clicks": _("Clicks"), "anonymous": _("Anonymous totals")}.get(value, value)


def basis(value: str, organization: str) -> str:
    """Why somebody gets the mail of a topic."""
    return {
        "opt_in": _("You asked for it."),
        "double_opt_in": _("You asked for it, and confirmed your address."),
        "existing_customer": _("You are a customer of %(organization)s.") % {"organization": organization},
        "professional_interest": _("It concerns your profession."),
    }.get(value, "")


def days(count: int) -> str:
    return ngettext("%(count)d day", "%(count)d days", count) % {"count": count}


def request_kind(value: str) -> str:
    """What a person can ask for."""
    return {
        "access": _("To see your data"),
        "portability": _("To take your data with you"),
        "rectification": _("To have your data corrected"),
        "objection": _("An objection"),
        "erasure": _("To have everything deleted"),
    }.get(value, value)


def request_state(value: str) -> str:
    """How far a request is."""
    return {"answered": _("Answered"), "declined": _("Declined")}.get(value, pgettext("request", "Open"))


# --- Mails ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mail:
    subject: str
    text: str


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def fresh_link_mail(organization: str, url: str, until: str) -> Mail:
    return Mail(
        _("Your link to your data at %(organization)s") % {"organization": organization},
        _paragraphs(
            _("Somebody asked on your page for a link to what %(organization)s keeps about you. This is the link:")
            % {"organization": organization},
            url,
            _("It opens once, until %(until)s. Whoever has it sees your data, so please do not forward this message.")
            % {"until": until},
            _("If it was not you, you need not do anything."),
        ),
    )


def confirm_address_mail(organization: str, url: str, until: str) -> Mail:
    return Mail(
        _("Please confirm your new address for %(organization)s") % {"organization": organization},
        _paragraphs(
            _("Somebody gave this address as the new one for the emails of %(organization)s. To confirm it:")
            % {"organization": organization},
            url,
            _("The link opens until %(until)s. Without it nothing changes.") % {"until": until},
            _("If it was not you, you need not do anything."),
        ),
    )


def address_changed_mail(organization: str, masked_address: str) -> Mail:
    return Mail(
        _("Your address at %(organization)s was changed") % {"organization": organization},
        _paragraphs(
            _("The emails of %(organization)s now go to %(address)s. This address gets no more of them.")
            % {"organization": organization, "address": masked_address},
            _("If it was not you, please write to %(organization)s at once.") % {"organization": organization},
        ),
    )


@dataclass(frozen=True, slots=True)
class StandingChoice:
    """What holds for a person when a receipt is written."""

    opens: str
    clicks: str
    websites: Sequence[str]
    refused: bool
    objected: bool


def receipt_mail(organization: str, choices: Sequence[StandingChoice], url: str) -> Mail:
    """What a person chose, in writing."""
    parts = [
        _("You changed your choice about measuring the emails of %(organization)s. It now reads:")
        % {"organization": organization}
    ]
    for choice in choices:
        lines = [", ".join(choice.websites)] if len(choices) > 1 else []
        lines.append(_("Opens: %(answer)s") % {"answer": answer(choice.opens)})
        lines.append(_("Clicks: %(answer)s") % {"answer": answer(choice.clicks)})
        if choice.objected:
            lines.append(_("Anonymous totals: you objected"))
        parts.append("\n".join(lines))
    if any(choice.refused for choice in choices):
        parts.append(
            _(
                "A no counts at once, also for emails that you already have. What had been recorded of you is deleted "
                "or made anonymous. Totals that were already reported stay; they name nobody."
            )
        )
    parts.append(_("You get the same emails as before. You can change your choice at any time:"))
    parts.append(url)
    return Mail(_("Your choice about measuring, confirmed"), _paragraphs(*parts))


def request_mail(organization: str, kind: str, details: str, due_on: str) -> Mail:
    """What a person asked for on their page, in writing, with the day by which they hear of it."""
    return Mail(
        _("Your request to %(organization)s, confirmed") % {"organization": organization},
        _paragraphs(
            _("%(organization)s has your request: %(kind)s.")
            % {"organization": organization, "kind": request_kind(kind)},
            details,
            _("You get an answer by %(day)s.") % {"day": due_on},
            _("If it was not you, please write to %(organization)s at once.") % {"organization": organization},
        ),
    )
