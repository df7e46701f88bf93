"""After a restore: what people withdrew since the backup is withdrawn again, before anything is sent (rule D3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import JournalMark, Organization
from common.journal import Act, read_acts
from common.tenancy import call_door, tenant
from consent.models import Choice, Subscription, Topic
from consent.rules import ChoiceValue, Source
from consent.services import record_choice, unsubscribe
from delivery.refusals import keep_digest_out
from delivery.services import suppress
from participants.models import Participant
from privacy.services.departure import remove_rows
from privacy.services.erasure import erase_participant
from websites.models import ConsentScope

SOURCE = "journal"

type Entry = Mapping[str, Any]


def replay_journal(*, now: datetime) -> Counter[str]:
    """Do again what the journal knows and the database does not. Says how many acts of each kind it did.

    May run at any time and any number of times: an entry whose mark is in the database is not looked at again.
    """
    known = set(JournalMark.objects.values_list("pk", flat=True))
    organizations = {number for (number,) in call_door("door_organizations")}
    done: Counter[str] = Counter()
    entries = [entry for entry in read_acts() if UUID(entry["id"]) not in known]
    returned = {entry["digest"] for entry in entries if entry["act"] == Act.RETURNED}
    for entry in entries:
        if entry["organization"] not in organizations:
            continue
        with transaction.atomic():
            if entry["act"] == Act.DEPARTED:
                done[entry["act"]] += _depart(entry)
                organizations.discard(entry["organization"])
                continue
            with tenant(entry["organization"]):
                done[entry["act"]] += _replay(entry, returned, now=now)
    _mark(entries, now=now)
    return done


def _mark(entries: list[Entry], *, now: datetime) -> None:
    marks = {UUID(entry["id"]) for entry in entries}
    JournalMark.objects.bulk_create([JournalMark(id=mark, written_at=now) for mark in marks], ignore_conflicts=True)


def _depart(entry: Entry) -> bool:
    with tenant(entry["organization"]):
        organization = Organization.objects.filter(pk=entry["organization"], public_id=entry["subject"]).first()
    if organization is None:
        return False
    remove_rows(organization.pk)
    return True


def _replay(entry: Entry, returned: set[str], *, now: datetime) -> bool:
    organization = Organization.objects.get(pk=entry["organization"])
    person = Participant.objects.filter(organization=organization, ledger_id=entry["subject"]).first()
    if entry["act"] == Act.ERASED:
        return _erase(organization, person, entry, returned, now=now)
    if person is None:
        return False
    if entry["act"] == Act.REFUSED:
        return _refuse(organization, person, entry, now=now)
    if entry["act"] == Act.UNSUBSCRIBED:
        return _unsubscribe(organization, person, entry, now=now)
    return False


def _erase(
    organization: Organization, person: Participant | None, entry: Entry, returned: set[str], *, now: datetime
) -> bool:
    if person is not None:
        erase_participant(organization, person, actor=None, reason=SOURCE, now=now)
        return True
    # Somebody who came after the backup: of them only the digest is known, and it may be that they came back.
    return entry["digest"] not in returned and keep_digest_out(organization, bytes.fromhex(entry["digest"]), now=now)


def _refuse(organization: Organization, person: Participant, entry: Entry, *, now: datetime) -> bool:
    scope = ConsentScope.objects.filter(organization=organization, pk=entry["scope"]).first()
    about = entry["about"]
    before = Choice.objects.filter(organization=organization, participant=person, scope=scope).first()
    if before is not None and about == "anonymous" and before.anonymous_objected_at is not None:
        return False
    record_choice(
        organization,
        person,
        opens=ChoiceValue.NO if about == "opens" else None,
        clicks=ChoiceValue.NO if about == "clicks" else None,
        anonymous=ChoiceValue.NO if about == "anonymous" else None,
        scope=scope,
        source=Source(entry["source"]),
        method=SOURCE,
        happened_at=datetime.fromisoformat(entry["happened_at"]),
        now=now,
    )
    return True


def _unsubscribe(organization: Organization, person: Participant, entry: Entry, *, now: datetime) -> bool:
    if "topic" not in entry:
        return suppress(organization, person.email_norm, reason=entry["reason"], source=SOURCE, now=now)
    topic = Topic.objects.filter(organization=organization, pk=entry["topic"]).first()
    since = Subscription.objects.filter(participant=person, topic=topic, subscribed_at__lte=entry["at"])
    return topic is not None and since.exists() and unsubscribe(organization, person, topic, now=now, source=SOURCE)
