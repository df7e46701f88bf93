"""Ways to falsify what somebody chose: in the database, as whoever owns its tables, and in a proof that was handed out.

Each takes what is whole and leaves it false. ``make prove-consent`` counts how many are caught.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from types import ModuleType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connections
from django.db.backends.utils import CursorWrapper

from accounts.models import Organization
from consent.chain import NOTHING, canonical_json
from consent.dossier import VERIFIER
from consent.verification import EVENTS, Event, hash_of

type Dossier = dict[str, Any]


def load_verifier() -> ModuleType:
    """The program that goes with a proof, as it is handed out."""
    spec = importlib.util.spec_from_file_location("verify_dossier", VERIFIER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- A proof that was handed out --------------------------------------------------------------------------------------


def _events(dossier: Dossier) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = dossier["chains"][0]["events"]
    return events


def change_value(dossier: Dossier) -> None:
    event = _events(dossier)[0]
    event["value"] = "no" if event["value"] == "yes" else "yes"


def change_time(dossier: Dossier) -> None:
    event = _events(dossier)[0]
    event["happened_at"] = "2019" + event["happened_at"][4:]


def change_recording_time(dossier: Dossier) -> None:
    event = _events(dossier)[-1]
    event["recorded_at"] = "2019" + event["recorded_at"][4:]


def remove_first(dossier: Dossier) -> None:
    del _events(dossier)[0]


def remove_last(dossier: Dossier) -> None:
    del _events(dossier)[-1]


def remove_last_and_renumber(dossier: Dossier) -> None:
    """With the end of the chain in the statement made to fit."""
    gone = _events(dossier).pop()
    last = _events(dossier)[-1]
    dossier["statement"]["chains"][0].update(length=last["position"], head=last["hash"])
    kinds = [event for event in _events(dossier) if event["kind"] == gone["kind"]]
    dossier["chains"][0]["current"][gone["kind"]] = load_verifier().stands(gone["kind"], kinds[-1] if kinds else None)


def swap(dossier: Dossier) -> None:
    events = _events(dossier)
    events[0], events[1] = events[1], events[0]


def change_wording(dossier: Dossier) -> None:
    text = next(iter(dossier["texts"].values()))
    text["text"] += " And everything else?"


def change_source(dossier: Dossier) -> None:
    _events(dossier)[0]["source"] = "person" if _events(dossier)[0]["source"] != "person" else "import"


def remove_scope(dossier: Dossier) -> None:
    del dossier["chains"][0]


def recompute(dossier: Dossier) -> None:
    """A value changed, and every hash of the chain made to fit, the end in the statement too."""
    change_value(dossier)
    _recompute_chain(dossier)


def recompute_and_sign(dossier: Dossier) -> None:
    """As above, signed with a key of one's own: only who knows the organization's key sees it."""
    recompute(dossier)
    verifier = load_verifier()
    private = Ed25519PrivateKey.generate()
    key = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    dossier["statement"]["key"] = key
    dossier["signature"] = private.sign(canonical_json(dossier["statement"]).encode()).hex()
    template = dossier["anchors"][0]["content"]
    dossier["anchors"] = []
    for number, event in enumerate((one for chain in dossier["chains"] for one in chain["events"]), start=1):
        # One leaf for each, under an anchor of its own.
        event["proof"] = {"anchor": number, "steps": []}
        root = verifier.root_of(event["hash"], [])
        content = {**template, "number": number, "events": 1, "root": root, "key": key}
        signature = private.sign(canonical_json(content).encode()).hex()
        dossier["anchors"].append({"content": content, "signature": signature})


def _recompute_chain(dossier: Dossier) -> None:
    verifier, previous = load_verifier(), NOTHING.hex()
    chain = dossier["chains"][0]
    for event in chain["events"]:
        event["previous"] = previous
        event["hash"] = verifier.event_hash(event, dossier["statement"], dossier["texts"], chain["scope"]["id"])
        previous = event["hash"]
    dossier["statement"]["chains"][0]["head"] = previous
    latest = {event["kind"]: event for event in chain["events"]}
    chain["current"] = {kind: verifier.stands(kind, latest.get(kind)) for kind in chain["current"]}


# What anybody sees who has the file alone.
IN_A_DOSSIER: dict[str, Callable[[Dossier], None]] = {
    "changed value": change_value,
    "changed time": change_time,
    "changed time of recording": change_recording_time,
    "removed row": remove_first,
    "removed last row": remove_last,
    "removed last row, its traces too": remove_last_and_renumber,
    "swapped rows": swap,
    "changed wording": change_wording,
    "changed source": change_source,
    "removed scope": remove_scope,
    "chain recomputed from the start": recompute,
}
# What is seen by who knows the organization's key, or has an anchor from before.
WITH_A_KNOWN_KEY: dict[str, Callable[[Dossier], None]] = {
    "chain recomputed and signed with another key": recompute_and_sign,
}


# --- The database -----------------------------------------------------------------------------------------------------


def _execute(cursor: CursorWrapper, statement: str) -> None:
    cursor.execute(statement)
    assert cursor.rowcount > 0, statement


_FIRST = "(SELECT id FROM consent_choiceevent ORDER BY id LIMIT 1)"
_LAST = "(SELECT id FROM consent_choiceevent ORDER BY id DESC LIMIT 1)"
# Most falsifications are about the longest chain.
_LONGEST = "(SELECT subject FROM consent_choiceevent GROUP BY subject ORDER BY count(*) DESC LIMIT 1)"


def row_value(cursor: CursorWrapper) -> None:
    _execute(cursor, f"UPDATE consent_choiceevent SET value = 'no' WHERE id = {_FIRST} AND value = 'yes'")  # noqa: S608


def row_time(cursor: CursorWrapper) -> None:
    _execute(
        cursor,
        f"UPDATE consent_choiceevent SET happened_at = happened_at - interval '1 day' WHERE id = {_FIRST}",  # noqa: S608
    )


def row_evidence(cursor: CursorWrapper) -> None:
    _execute(cursor, f"UPDATE consent_choiceevent SET evidence = '{{\"n\": 1.5}}' WHERE id = {_FIRST}")  # noqa: S608


def row_removed(cursor: CursorWrapper) -> None:
    _execute(cursor, f"DELETE FROM consent_choiceevent WHERE id = {_FIRST}")  # noqa: S608


def last_row_removed(cursor: CursorWrapper) -> None:
    _execute(cursor, f"DELETE FROM consent_choiceevent WHERE id = {_LAST}")  # noqa: S608


def last_row_removed_with_its_choice(cursor: CursorWrapper) -> None:
    """What stands is made to fit, so that only the seal shows it."""
    cursor.execute(f"SELECT subject, scope_id, kind FROM consent_choiceevent WHERE id = {_LAST}")  # noqa: S608
    subject, scope, kind = cursor.fetchone()
    last_row_removed(cursor)
    cursor.execute(
        "SELECT value, happened_at, source FROM consent_choiceevent"
        " WHERE subject = %s AND scope_id = %s AND kind = %s ORDER BY seq DESC LIMIT 1",
        [subject, scope, kind],
    )
    value, at, source = cursor.fetchone() or ("unknown", None, "")
    cursor.execute(
        f"UPDATE consent_choice SET {kind} = %s, {kind}_at = %s, {kind}_source = %s WHERE scope_id = %s"  # noqa: S608
        " AND participant_id = (SELECT id FROM participants_participant WHERE ledger_id = %s)",
        [value, at, source, scope, subject],
    )


def rows_swapped(cursor: CursorWrapper) -> None:
    """The first two of a chain change places."""
    cursor.execute(
        f"SELECT id, seq FROM consent_choiceevent WHERE subject = {_LONGEST} ORDER BY scope_id, seq LIMIT 2"  # noqa: S608
    )
    (first, one), (second, two) = cursor.fetchall()
    for number, seq in ((first, -1), (second, one), (first, two)):
        cursor.execute("UPDATE consent_choiceevent SET seq = %s WHERE id = %s", [seq, number])


def numbers_swapped(cursor: CursorWrapper) -> None:
    """The chains stay whole; the order over all people does not."""
    cursor.execute(
        "SELECT min(id), max(id) FROM (SELECT DISTINCT ON (subject) id FROM consent_choiceevent ORDER BY subject) one"
    )
    first, second = cursor.fetchone()
    for number, other in ((first, -1), (second, first), (-1, second)):
        cursor.execute("UPDATE consent_choiceevent SET id = %s WHERE id = %s", [other, number])


def wording_changed(cursor: CursorWrapper) -> None:
    _execute(cursor, "UPDATE consent_consenttext SET text = text || '!'")


def choice_changed(cursor: CursorWrapper) -> None:
    _execute(cursor, "UPDATE consent_choice SET opens = 'yes' WHERE opens = 'no'")


def history_removed(cursor: CursorWrapper) -> None:
    _execute(cursor, f"DELETE FROM consent_choiceevent WHERE subject = {_LONGEST}")  # noqa: S608


def chain_recomputed(cursor: CursorWrapper) -> None:
    """A value changed, every hash of the chain made to fit, and what stands too."""
    cursor.execute(f"SELECT organization_id, subject FROM consent_choiceevent WHERE subject = {_LONGEST}")  # noqa: S608
    organization_id, subject = cursor.fetchone()
    cursor.execute(
        "UPDATE consent_choiceevent SET happened_at = happened_at - interval '1 day' WHERE subject = %s", [subject]
    )
    cursor.execute(
        "UPDATE consent_choice SET opens_at = opens_at - interval '1 day', clicks_at = clicks_at - interval '1 day'"
        " WHERE participant_id = (SELECT id FROM participants_participant WHERE ledger_id = %s)",
        [subject],
    )

    organization = Organization.objects.using("owner").get(pk=organization_id)
    cursor.execute(EVENTS, [organization_id])
    heads: dict[Any, bytes] = {}
    for event in [Event._make(row) for row in cursor.fetchall()]:
        if event.subject != subject:
            continue
        fitted = event._replace(prev_hash=heads.get(event.scope, NOTHING))
        heads[event.scope] = hash_of(organization, fitted)
        cursor.execute(
            "UPDATE consent_choiceevent SET prev_hash = %s, hash = %s WHERE id = %s",
            [fitted.prev_hash, heads[event.scope], event.id],
        )


def last_anchor_removed(cursor: CursorWrapper) -> None:
    _execute(
        cursor,
        "DELETE FROM consent_ledgeranchor a WHERE number = (SELECT max(number) FROM consent_ledgeranchor)",
    )


def anchor_changed(cursor: CursorWrapper) -> None:
    _execute(cursor, "UPDATE consent_ledgeranchor SET sealed_at = sealed_at - interval '1 day' WHERE number = 1")


IN_THE_DATABASE: dict[str, Callable[[CursorWrapper], None]] = {
    "changed value": row_value,
    "changed time": row_time,
    "changed evidence": row_evidence,
    "removed row": row_removed,
    "removed last row": last_row_removed,
    "removed last row, its choice too": last_row_removed_with_its_choice,
    "swapped rows": rows_swapped,
    "swapped numbers": numbers_swapped,
    "changed wording": wording_changed,
    "changed choice": choice_changed,
    "removed history": history_removed,
    "chain recomputed from the start": chain_recomputed,
    "changed anchor": anchor_changed,
}
# What only anchors show that were kept elsewhere.
WITH_KEPT_ANCHORS: dict[str, Callable[[CursorWrapper], None]] = {
    "removed last anchor": last_anchor_removed,
}


def as_owner(falsify: Callable[[CursorWrapper], None]) -> None:
    """Falsify as the role that owns the tables."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SET app.ledger_maintenance = 'on'")
        falsify(cursor)
