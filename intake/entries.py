"""What happens when somebody sends a participation form.

Nobody has shown that the address is theirs. So what is new counts at once, and so does every no; what would change
something that is there already, or allow more than the person did, waits until a link that is sent to the address is
opened (``intake.confirmations``). docs/forms.md says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.models import Organization
from campaigns.models import Participation
from campaigns.standing import send_standing
from common.tenancy import tenant
from consent.models import Basis, Choice, ConsentText, Subscription
from consent.rules import ChoiceValue, InformedGround, Kind, Source
from consent.services import record_choice, record_informed, subscribe
from delivery.models import Suppression
from delivery.refusals import is_suppressed_hash, welcome_back
from delivery.rules import blocking_reasons
from intake.answers import Entry, Tracking
from intake.confirmations import Waiting, WaitingTopic, ask_to_confirm
from intake.models import EntryForm, Submission
from intake.services import ParticipantRefused, save_participant
from intake.tokens import Shown
from participants.models import Participant
from participants.rules import Address, normalise_email, parse_email

METHOD = "form"


@dataclass(frozen=True, slots=True)
class Received:
    """An entry that was taken in. ``repeated``: the same page was sent before, and nothing was done again."""

    submission: Submission
    repeated: bool = False


def receive_entry(
    organization: Organization, form: EntryForm, entry: Entry, shown: Shown, *, now: datetime
) -> Received:
    """Keep an entry, and do what follows from it, once."""
    with tenant(organization.pk):
        earlier = Submission.objects.filter(organization=organization, form=form, token=shown.nonce).first()
        if earlier is not None:
            return Received(earlier, repeated=True)
        work = _Work(organization, form, entry, shown, now)
        return Received(work.run())


class _Work:
    """One entry on its way in."""

    def __init__(self, organization: Organization, form: EntryForm, entry: Entry, shown: Shown, now: datetime) -> None:
        self._organization, self._form, self._entry, self._shown, self._now = organization, form, entry, shown, now
        self._website = form.campaign.website
        self._waiting = Waiting()
        self._submission: Submission

    def run(self) -> Submission:
        person, is_new = self._person()
        self._submission = Submission.objects.create(
            organization=self._organization,
            form=self._form,
            participant=person,
            token=self._shown.nonce,
            language=self._shown.language,
            answers=dict(self._entry.answers),
            source=self._entry.source,
            submitted_at=self._now,
        )
        Participation.objects.get_or_create(
            organization=self._organization,
            campaign=self._form.campaign,
            participant=person,
            defaults={"participated_at": self._now, "source": (self._entry.source or METHOD)[:120]},
        )
        if not is_new:
            self._hold_details(person)
        self._answer(person, self._entry.tracking)
        self._subscribe(person)
        if self._waiting:
            ask_to_confirm(
                self._organization, self._website, person, submission=self._submission, waiting=self._waiting,
                language=self._shown.language, now=self._now,
            )  # fmt: skip
        if self._form.exit_launch is not None:
            send_standing(self._organization, self._form.exit_launch, person, now=self._now)
        return self._submission

    # --- Who it is

    def _person(self) -> tuple[Participant, bool]:
        """The person of the address, held until the end; made where nobody has it."""
        known = self._find()
        if known is not None:
            return known, False
        address = parse_email(self._entry.email)
        if is_suppressed_hash(self._organization, address.norm):
            return self._welcome_back(address), False
        details = {"email": address.email, "locale": self._shown.language, **self._details()}
        try:
            return save_participant(self._organization, Participant(), now=self._now, **details), True
        except ParticipantRefused:
            # Somebody else made them at the same time.
            known = self._find()
            if known is None:
                raise
            return known, False

    def _welcome_back(self, address: Address) -> Participant:
        """Somebody who was erased: what they had forbidden holds again, and all that is typed waits (rule D2)."""
        person = Participant.objects.create(
            organization=self._organization,
            email=address.email,
            email_norm=address.norm,
            locale=self._shown.language,
            created_at=self._now,
            updated_at=self._now,
        )
        welcome_back(self._organization, person, now=self._now)
        return person

    def _find(self) -> Participant | None:
        return (
            Participant.objects.select_for_update(of=("self",), no_key=True)
            .filter(organization=self._organization, email_norm=normalise_email(self._entry.email))
            .first()
        )

    def _details(self) -> dict[str, Any]:
        attributes = {"attributes": dict(self._entry.attributes)} if self._entry.attributes else {}
        return {**self._entry.columns, **attributes}

    def _hold_details(self, person: Participant) -> None:
        """A stranger overwrites nobody's data: what differs waits."""
        columns = {name: value for name, value in self._entry.columns.items() if str(getattr(person, name)) != value}
        attributes = {
            name: value for name, value in self._entry.attributes.items() if person.attributes.get(name) != value
        }
        self._waiting = Waiting(columns=columns, attributes=attributes)

    # --- What they say about being measured

    def _answer(self, person: Participant, tracking: Tracking) -> None:
        if tracking.informed:
            self._inform(person)
            return
        answers = {Kind.OPENS: tracking.opens, Kind.CLICKS: tracking.clicks}
        held = self._held_yeses(person, answers)
        for kind in held:
            self._waiting.choice[kind.value] = tracking.texts.get(kind, 0)
        answers = {kind: None if kind in held else value for kind, value in answers.items()}
        for text_id, kinds in _by_text(answers, tracking.texts).items():
            self._record(person, {kind: answers[kind] for kind in kinds}, text_id, everywhere=tracking.everywhere)

    def _record(
        self, person: Participant, answers: Mapping[Kind, ChoiceValue | None], text_id: int, *, everywhere: bool
    ) -> None:
        record_choice(
            self._organization,
            person,
            opens=answers.get(Kind.OPENS),
            clicks=answers.get(Kind.CLICKS),
            scope=self._website.consent_scope,
            everywhere=everywhere,
            source=Source.PERSON,
            method=METHOD,
            happened_at=self._now,
            now=self._now,
            consent_text=_text(self._organization, text_id),
            evidence={"entry": self._submission.pk, "address_confirmed": False},
        )

    def _held_yeses(self, person: Participant, answers: Mapping[Kind, ChoiceValue | None]) -> set[Kind]:
        """The yeses that wait for the address to be confirmed: all of a form with double opt-in, else those over a no.

        Anybody can type somebody's address into a form: that must not turn a no into a yes.
        """
        yeses = {kind for kind, value in answers.items() if value is ChoiceValue.YES}
        if not yeses or self._form.double_opt_in:
            return yeses
        choice = (
            Choice.objects.select_for_update(of=("self",))
            .filter(organization=self._organization, participant=person, scope=self._website.consent_scope)
            .first()
        )
        return {kind for kind in yeses if choice is not None and getattr(choice, kind.value) == ChoiceValue.NO}

    def _inform(self, person: Participant) -> None:
        """Left the ticked box of a form for professionals: informed, did not refuse. Never a yes (rules C2, C10)."""
        texts = self._entry.tracking.texts
        record_informed(
            self._organization,
            person,
            scope=self._website.consent_scope,
            ground=InformedGround.PROFESSIONAL,
            collected_at=self._now,
            informed_at=self._now,
            notice=None,
            source=Source.PERSON,
            method=METHOD,
            now=self._now,
            evidence={"entry": self._submission.pk, "consent_text": texts.get(Kind.OPENS, 0)},
            actor=None,
        )

    # --- What they want to get

    def _subscribe(self, person: Participant) -> None:
        """An address that ended its mail, or a form that asks for it: nothing is sent before a confirmation."""
        left = set(
            Subscription.objects.filter(
                organization=self._organization, participant=person, unsubscribed_at__isnull=False
            ).values_list("topic_id", flat=True)
        )
        suppressed = Suppression.objects.filter(
            organization=self._organization,
            email_norm=person.email_norm,
            reason__in=set(blocking_reasons("marketing")) - set(blocking_reasons("transactional")),
        ).exists()
        for topic, text_id in self._entry.topics:
            waits = self._form.double_opt_in or suppressed or topic.pk in left
            text = _text(self._organization, text_id)
            subscription = subscribe(
                self._organization,
                person,
                topic,
                basis=Basis.OPT_IN,
                source=f"form: {self._form.campaign.name}"[:120],
                wording=text.text if text else "",
                consent_text=text,
                now=self._now,
                double_opt_in=waits,
                evidence={"entry": self._submission.pk},
            )
            if subscription.pending_since is not None or suppressed:
                self._waiting.topics.append(WaitingTopic(topic.pk, text_id))


def _by_text(answers: Mapping[Kind, ChoiceValue | None], texts: Mapping[Kind, int]) -> dict[int, list[Kind]]:
    """Kinds that were answered with one box are recorded with its wording, together."""
    found: dict[int, list[Kind]] = {}
    for kind, value in answers.items():
        if value is not None:
            found.setdefault(texts.get(kind, 0), []).append(kind)
    return found


def _text(organization: Organization, text_id: int) -> ConsentText | None:
    return ConsentText.objects.filter(organization=organization, pk=text_id).first() if text_id else None
