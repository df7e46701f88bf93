"""The proof of consent of one person: what was recorded, word by word, and what shows that nobody changed it since.

It can be verified without anybody else's rows, and without Pli: ``standalone/verify_dossier.py`` goes with it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from accounts.models import Organization
from consent.chain import NOTHING, canonical_json, merkle_proofs, moment_text
from consent.models import Choice, ChoiceEvent, ChoiceLabel, ConsentText, LedgerAnchor
from consent.rules import Source
from consent.services.sealing import anchor_content, ensure_key, newest_event, seal_up_to, sign
from consent.words import ABOUT, SOURCES
from participants.models import Participant
from websites.models import ConsentScope

VERIFIER = Path(__file__).parent / "standalone" / "verify_dossier.py"


def build_dossier(organization: Organization, participant: Participant, *, now: datetime) -> dict[str, Any]:
    """All that was recorded about one person's choices, sealed and signed. Seals first what is not sealed yet."""
    newest = newest_event(organization, now=now)
    if newest is not None:
        seal_up_to(organization, newest, now=now)
    subject = Participant.objects.values_list("ledger_id", flat=True).get(organization=organization, pk=participant.pk)
    events = list(
        ChoiceEvent.objects.filter(organization=organization, subject=subject)
        .select_related("scope", "consent_text")
        .order_by("scope_id", "seq")
    )
    proofs, anchors = _proofs(organization, events)
    choices = {choice.scope_id: choice for choice in Choice.objects.filter(participant=participant)}
    chains = [
        {
            "scope": {"id": scope.pk, "name": scope.name},
            "current": _current(choices.get(scope.pk)),
            "events": [_event(event, proofs[event.pk]) for event in events if event.scope_id == scope.pk],
        }
        for scope in _scopes(events)
    ]
    latest = LedgerAnchor.objects.filter(organization=organization).order_by("-number").first()
    key = ensure_key(organization, now=now)
    statement = {
        "format": "pli-dossier-1",
        "organization": str(organization.public_id),
        "organization_name": organization.legal_name or organization.name,
        "subject": str(subject),
        "address": participant.email,
        "made_at": moment_text(now),
        "sealed_until": moment_text(latest.sealed_at) if latest else None,
        "chains": [_end_of_chain(chain) for chain in chains],
        "key": bytes(key.public_key).hex(),
    }
    return {
        "statement": statement,
        "signature": sign(key, canonical_json(statement)).hex(),
        "chains": chains,
        "texts": _texts(events),
        "anchors": [_anchor(organization, anchor) for anchor in anchors],
    }


def _scopes(events: Iterable[ChoiceEvent]) -> list[ConsentScope]:
    return list({event.scope_id: event.scope for event in events}.values())


def _end_of_chain(chain: Mapping[str, Any]) -> dict[str, Any]:
    events = chain["events"]
    return {
        "scope": chain["scope"]["id"],
        "length": len(events),
        "head": events[-1]["hash"] if events else NOTHING.hex(),
    }


def _event(event: ChoiceEvent, proof: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "position": event.seq,
        "kind": event.kind,
        "value": event.value,
        "source": event.source,
        "method": event.method,
        "happened_at": moment_text(event.happened_at),
        "recorded_at": moment_text(event.recorded_at),
        "consent_text": str(event.consent_text_id) if event.consent_text_id else None,
        "evidence": event.evidence,
        "actor": event.actor_id,
        "previous": bytes(event.prev_hash).hex(),
        "hash": bytes(event.hash).hex(),
        "proof": proof,
    }


def _current(choice: Choice | None) -> dict[str, Any]:
    """What stands now, as the newest event of each kind says too; None where nobody said anything."""
    if choice is None:
        return {"opens": None, "clicks": None, "anonymous": None}
    return {
        "opens": _current_of_kind(choice.opens, choice.opens_at),
        "clicks": _current_of_kind(choice.clicks, choice.clicks_at),
        # Somebody who took an objection back stands as if they had never objected.
        "anonymous": {"value": "no", "given_at": None} if choice.anonymous_objected_at else None,
    }


def _current_of_kind(value: str, given_at: datetime | None) -> dict[str, str | None] | None:
    if value == ChoiceLabel.UNKNOWN:
        return None
    return {"value": value, "given_at": moment_text(given_at) if given_at else None}


def _texts(events: Iterable[ChoiceEvent]) -> dict[str, dict[str, Any]]:
    texts: dict[int, ConsentText] = {
        event.consent_text.pk: event.consent_text for event in events if event.consent_text
    }
    return {
        str(number): {
            "website": text.website_id,
            "language": text.language,
            "place": text.place,
            "version": text.version,
            "text": text.text,
            "asks_for": text.asks_for,
            "sha256": bytes(text.sha256).hex(),
        }
        for number, text in texts.items()
    }


def _anchor(organization: Organization, anchor: LedgerAnchor) -> dict[str, Any]:
    return {
        "content": json.loads(anchor_content(organization, anchor)),
        "signature": bytes(anchor.signature).hex(),
    }


def _proofs(
    organization: Organization, events: Sequence[ChoiceEvent]
) -> tuple[dict[int, dict[str, Any] | None], list[LedgerAnchor]]:
    """For each event the way to the root of the anchor that sealed it; and these anchors."""
    waiting = sorted(event.pk for event in events)
    proofs: dict[int, dict[str, Any] | None] = dict.fromkeys(waiting)
    used = []
    while waiting:
        anchors = LedgerAnchor.objects.filter(organization=organization, up_to_id__gte=waiting[0])
        anchor = anchors.select_related("key").order_by("up_to_id").first()
        if anchor is None:
            break
        sealed = [number for number in waiting if number <= anchor.up_to_id]
        proofs |= _proofs_of_anchor(organization, anchor, sealed)
        waiting = waiting[len(sealed) :]
        used.append(anchor)
    return proofs, used


def _proofs_of_anchor(
    organization: Organization, anchor: LedgerAnchor, numbers: Sequence[int]
) -> dict[int, dict[str, Any]]:
    rows = list(
        ChoiceEvent.objects.filter(organization=organization, id__gt=anchor.after_id, id__lte=anchor.up_to_id)
        .order_by("id")
        .values_list("id", "hash")
    )
    places = {number: place for place, (number, _hash) in enumerate(rows)}
    proofs = merkle_proofs([bytes(content) for _id, content in rows], [places[number] for number in numbers])
    return {
        number: {"anchor": anchor.number, "steps": [[side, neighbour.hex()] for side, neighbour in proof.steps]}
        for number, proof in zip(numbers, proofs, strict=True)
    }


# --- To hand out ------------------------------------------------------------------------------------------------------


def render_html(dossier: Mapping[str, Any], *, language: str) -> str:
    """The dossier for people: on paper or on a screen, with no resource from elsewhere."""
    with translation.override(language):
        chains = [
            {**chain, "events": [_readable(event, dossier) for event in chain["events"]]} for chain in dossier["chains"]
        ]
        return render_to_string(
            "consent/dossier.html",
            {
                "language": language,
                "statement": dossier["statement"],
                "made_at": parse_datetime(dossier["statement"]["made_at"]),
                "chains": chains,
                "signature": dossier["signature"],
            },
        )


def _readable(event: Mapping[str, Any], dossier: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **event,
        "about": ABOUT.get(event["kind"], event["kind"]),
        "label": ChoiceLabel(event["value"]).label,
        "from": SOURCES[Source(event["source"])],
        "happened": parse_datetime(event["happened_at"]),
        "recorded": parse_datetime(event["recorded_at"]),
        "wording": dossier["texts"].get(event["consent_text"]),
        "evidence_text": canonical_json(event["evidence"]) if event["evidence"] else "",
        "seal": _("anchor %(number)s") % {"number": event["proof"]["anchor"]}
        if event["proof"]
        else _("not yet sealed"),
    }


def pack_dossier(dossier: Mapping[str, Any], *, language: str) -> bytes:
    """A zip of the dossier as JSON, the same to read, and the program that verifies it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("dossier.json", json.dumps(dossier, indent=1, ensure_ascii=False, sort_keys=True))
        file.writestr("dossier.html", render_html(dossier, language=language))
        file.write(VERIFIER, "verify_dossier.py")
    return packed.getvalue()
