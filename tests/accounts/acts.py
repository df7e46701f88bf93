"""What members do, each act as a generator: what comes before it, what its entry is about, and the act itself.

``test_recorded.py`` runs them all, and takes back what each of them did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Model

from accounts.models import Organization, User
from campaigns.audiences import save_test_group
from campaigns.exemptions import approve_exemption, decline_exemption, propose_exemption, withdraw_exemption
from campaigns.models import Campaign, Email, EmailKind, Exemption, Launch, SplitTest, TrialGroup
from campaigns.services import declare_functional_link, launch_email, save_email, withdraw_functional_link
from campaigns.standing import launch_standing
from campaigns.transactional import send_transactional
from campaigns.trying import send_test
from campaigns.variants import Plan, Wording, launch_test, save_test
from campaigns.verdicts import end_without_rest, send_rest
from consent import services as consent
from consent.models import LegalJustification, PolicyProposal
from consent.services.proposals import KIND_OF
from delivery.connection_models import Connection
from delivery.connections import attest, mend, take_attestation_back
from delivery.models import Mailing, UncertainMessage
from delivery.services import cancel_mailing, pause_mailing, resume_mailing
from delivery.unknown import resolve_unknown
from participants.models import Participant
from tests.isolation.rooms import Rooms
from tests.support.cast import Cast
from websites.models import Website


@dataclass(frozen=True)
class Stage:
    """A furnished organization and its members."""

    cast: Cast
    rooms: Rooms
    now: datetime

    @property
    def bakery(self) -> Organization:
        return self.cast.bakery

    def row(self, model: type[Model]) -> Any:
        return self.rooms[model]

    def person(self, name: str) -> User:
        found: User = getattr(self.cast, name)
        return found


type Do = Callable[[Stage], Iterator[str]]


@dataclass(frozen=True)
class Act:
    action: str
    by: str
    do: Do


ACTS: list[Act] = []


def act(action: str, *, by: str) -> Callable[[Do], Do]:
    """The entry that an act leaves, and who does it. What the generator yields is its target, as a pattern."""

    def keep(do: Do) -> Do:
        ACTS.append(Act(action, by, do))
        return do

    return keep


# --- Two people -------------------------------------------------------------------------------------------------------


def propose(s: Stage) -> PolicyProposal:
    return consent.propose_change(
        s.bakery,
        s.row(Website),
        kind=KIND_OF["for_professionals"],
        wanted={"for_professionals": True},
        reason="test",
        author=s.cast.ana,
        now=s.now,
    )


def justify(s: Stage) -> LegalJustification:
    ends_on = (s.now + timedelta(days=90)).date()
    return consent.propose_justification(
        s.bakery, s.row(Website), countries=["BE"], reason="test", ends_on=ends_on, author=s.cast.ana, now=s.now
    )


def of_website(s: Stage, what: str, row: Model) -> str:
    return f"{what} {row.pk}, website {s.row(Website).pk}"


@act("proposal:make", by="ana")
def _propose(s: Stage) -> Iterator[str]:
    yield f"website {s.row(Website).pk}"
    propose(s)


def _on_proposal(action: str, step: Callable[..., object], by: str) -> None:
    @act(action, by=by)
    def _step(s: Stage) -> Iterator[str]:
        proposal = propose(s)
        yield of_website(s, "proposal", proposal)
        step(s.bakery, proposal, author=s.person(by), now=s.now, note="I looked at it.")


_on_proposal("proposal:confirmed", consent.confirm_proposal, "dana")
_on_proposal("proposal:declined", consent.decline_proposal, "dana")
_on_proposal("proposal:opinion", consent.give_opinion, "dana")
_on_proposal("proposal:withdrawn", consent.withdraw_proposal, "ana")


@act("justification:make", by="ana")
def _justify(s: Stage) -> Iterator[str]:
    yield f"website {s.row(Website).pk}"
    justify(s)


def _on_justification(action: str, step: Callable[..., object], **more: str) -> None:
    @act(action, by="dana")
    def _step(s: Stage) -> Iterator[str]:
        justification = justify(s)
        yield of_website(s, "justification", justification)
        step(s.bakery, justification, author=s.cast.dana, now=s.now, **more)


_on_justification("justification:confirm", consent.confirm_justification, note="Fine.")
_on_justification("justification:opinion", consent.give_justification_opinion, note="Rather not.")
_on_justification("justification:withdraw", consent.withdraw_justification)


@act("notice:publish", by="dana")
def _notice(s: Stage) -> Iterator[str]:
    yield f"website {s.row(Website).pk}"
    consent.publish_notice(
        s.bakery, s.row(Website), language="fr", text="Ce que nous mesurons.", url="https://bread.example/vie-privee",
        author=s.cast.dana, now=s.now,
    )  # fmt: skip


@act("website:policy:change", by="dana")
def _stop(s: Stage) -> Iterator[str]:
    yield f"website {s.row(Website).pk}"
    consent.stop_measuring(s.bakery, s.row(Website), author=s.cast.dana, reason="test", now=s.now)


def other_email(s: Stage, **fields: Any) -> Email:
    campaign = s.row(Campaign)
    values = {"name": "Other", "subject": "Code", "body_format": "html", "body": "<p>Hello {{ first_name }}", **fields}
    return save_email(s.bakery, Email(campaign=campaign, **values), now=s.now)


def ask_exemption(s: Stage) -> Exemption:
    email = other_email(s, purpose="authentication")
    return propose_exemption(s.bakery, email, reason="A code to sign in", author=s.cast.max, now=s.now)


@act("exemption:make", by="max")
def _ask_exemption(s: Stage) -> Iterator[str]:
    email = other_email(s, purpose="authentication")
    yield f"email {email.pk}"
    propose_exemption(s.bakery, email, reason="A code to sign in", author=s.cast.max, now=s.now)


def _on_exemption(action: str, step: Callable[..., object], **more: str) -> None:
    @act(action, by="dana")
    def _step(s: Stage) -> Iterator[str]:
        exemption = ask_exemption(s)
        yield f"email {exemption.email_id}"
        step(s.bakery, exemption, author=s.cast.dana, now=s.now, **more)


_on_exemption("exemption:approved", approve_exemption, note="Nothing but the code.")
_on_exemption("exemption:declined", decline_exemption)
_on_exemption("exemption:withdraw", withdraw_exemption)


# --- Sending ----------------------------------------------------------------------------------------------------------


@act("launch:begin", by="max")
def _launch(s: Stage) -> Iterator[str]:
    yield f"email {s.row(Email).pk}"
    launch_email(s.bakery, s.row(Email), author=s.cast.max, now=s.now)


@act("launch:begin", by="max")
def _launch_standing(s: Stage) -> Iterator[str]:
    email = other_email(s, kind=EmailKind.EXIT_SCREEN, purpose="transactional")
    yield f"email {email.pk}"
    launch_standing(s.bakery, email, author=s.cast.max, now=s.now)


def started_test(s: Stage) -> SplitTest:
    wordings = [Wording(), Wording(subject="Other bread")]
    test = save_test(s.bakery, s.row(Email), Plan(share=50), wordings, author=s.cast.max, now=s.now)
    launch_test(s.bakery, s.row(Email), author=s.cast.max, now=s.now)
    return SplitTest.objects.get(pk=test.pk)


@act("launch:test:rest", by="max")
def _send_rest(s: Stage) -> Iterator[str]:
    test = started_test(s)
    yield f"email {test.email_id}"
    send_rest(s.bakery, test, letter="A", author=s.cast.max, now=s.now)


@act("launch:test:end", by="max")
def _end_test(s: Stage) -> Iterator[str]:
    test = started_test(s)
    yield f"email {test.email_id}"
    end_without_rest(s.bakery, test, author=s.cast.max, now=s.now)


@act("sending:one", by="max")
def _send_one(s: Stage) -> Iterator[str]:
    email = other_email(s, purpose="transactional")
    yield f"email {email.pk}"
    send_transactional(s.bakery, email, s.row(Participant), author=s.cast.max, now=s.now)


@act("sending:test", by="max")
def _send_test(s: Stage) -> Iterator[str]:
    group = save_test_group(s.bakery, TrialGroup(name="Editors"), ["max@bread.example"], now=s.now)
    yield f"email {s.row(Email).pk}"
    send_test(s.bakery, s.row(Email), group, now=s.now)


def mailing(s: Stage) -> Mailing:
    found: Mailing = s.row(Launch).mailing
    return found


@act("sending:pause", by="max")
def _pause(s: Stage) -> Iterator[str]:
    yield f"mailing {mailing(s).pk}"
    pause_mailing(s.bakery, mailing(s), now=s.now)


@act("sending:resume", by="max")
def _resume(s: Stage) -> Iterator[str]:
    pause_mailing(s.bakery, mailing(s), now=s.now)
    yield f"mailing {mailing(s).pk}"
    resume_mailing(s.bakery, mailing(s), now=s.now)


@act("sending:cancel", by="max")
def _cancel(s: Stage) -> Iterator[str]:
    yield f"mailing {mailing(s).pk}"
    cancel_mailing(s.bakery, mailing(s), now=s.now)


def _on_doubt(action: str, *, resend: bool) -> None:
    @act(action, by="max")
    def _decide(s: Stage) -> Iterator[str]:
        message = s.row(UncertainMessage)
        yield f"message {message.pk}"
        resolve_unknown(s.bakery, [message.pk], resend=resend, actor=s.cast.max, now=s.now)


_on_doubt("sending:doubt:again", resend=True)
_on_doubt("sending:doubt:count", resend=False)


@act("link:declare", by="max")
def _declare(s: Stage) -> Iterator[str]:
    yield f"email {s.row(Email).pk}"
    _declared(s)


def _declared(s: Stage) -> int:
    link = declare_functional_link(
        s.bakery, s.row(Email), address="https://bread.example/?who={{ external_id }}", kind="other",
        reason="It opens the account.", author=s.cast.max, now=s.now,
    )  # fmt: skip
    return int(link.pk)


@act("link:withdraw", by="max")
def _undeclare(s: Stage) -> Iterator[str]:
    link = _declared(s)
    yield f"email {s.row(Email).pk}"
    withdraw_functional_link(s.bakery, s.row(Email), link, author=s.cast.max, now=s.now)


# --- Connections ------------------------------------------------------------------------------------------------------


def _on_connection(action: str, step: Callable[[Stage, Connection], object]) -> None:
    @act(action, by="ana")
    def _step(s: Stage) -> Iterator[str]:
        row = s.row(Connection)
        yield f"connection {row.pk}"
        step(s, row)


_on_connection("connection:attest", lambda s, row: attest(s.bakery, row, author=s.cast.ana, text="x" * 20, now=s.now))
_on_connection(
    "connection:attest:withdraw", lambda s, row: take_attestation_back(s.bakery, row, author=s.cast.ana, now=s.now)
)
_on_connection("connection:mend", lambda s, row: mend(s.bakery, row, now=s.now))
