"""Verifies a proof of consent (dossier.json) by itself: Python 3.9 or later, nothing else, no network.

    python verify_dossier.py dossier.json [--key HEX] [--anchors FILE]

--key      the organization's public key, from a source that you trust more than the file
--anchors  anchors that the organization handed out earlier (JSON lines)

Without one of them the file is checked against the key that it names itself: whoever made a false file made its key.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NOTHING = "00" * 32


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def text_hash(value: Any) -> str:
    return sha256(canonical(value).encode()).hex()


# --- Ed25519 (RFC 8032, section 5.1) ------------------------------------------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)

# A point of the curve as X, Y, Z and T.
Point = tuple[int, int, int, int]


def recover_x(y: int, sign: int) -> int | None:
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - square) % P:
        return None
    return P - x if x & 1 != sign else x


def add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(scalar: int, point: Point) -> Point:
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def decompress(data: bytes) -> Point | None:
    if len(data) != 32:
        return None
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0) or 0
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def signed_by(key: str, text: str, signature: str) -> bool:
    """Whether the signature (hex) of the text was made with the private half of the key (hex)."""
    try:
        public, raw = bytes.fromhex(key), bytes.fromhex(signature)
    except (TypeError, ValueError):
        return False
    a, r = decompress(public), decompress(raw[:32])
    s = int.from_bytes(raw[32:], "little")
    if a is None or r is None or len(raw) != 64 or s >= ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(raw[:32] + public + text.encode()).digest(), "little") % ORDER
    left, right = multiply(s, BASE), add(r, multiply(challenge, a))
    return not ((left[0] * right[2] - right[0] * left[2]) % P or (left[1] * right[2] - right[1] * left[2]) % P)


# --- The chains ---------------------------------------------------------------------------------------------------


def act_hash(event: Any, statement: Any, texts: Any) -> str:
    wording = texts[event["consent_text"]]["sha256"] if event["consent_text"] else None
    return text_hash(
        {
            "format": "pli-act-1",
            "organization": statement["organization"],
            "source": event["source"],
            "method": event["method"],
            "happened_at": event["happened_at"],
            "recorded_at": event["recorded_at"],
            "consent_text": wording,
            "evidence": event["evidence"],
            "actor": event["actor"],
        }
    )


def event_hash(event: Any, statement: Any, texts: Any, scope: Any) -> str:
    parts = (
        "pli-event-1",
        event["previous"],
        statement["subject"],
        scope,
        event["position"],
        event["kind"],
        event["value"],
        act_hash(event, statement, texts),
    )
    return sha256("|".join(str(part) for part in parts).encode()).hex()


def check_texts(texts: Any) -> Iterator[str]:
    for number, text in texts.items():
        content = {name: value for name, value in text.items() if name != "sha256"}
        if text_hash({**content, "format": "pli-consent-text-1"}) != text["sha256"]:
            yield f"wording {number}: its words are not those that were kept"


def check_chain(chain: Any, statement: Any, texts: Any) -> Iterator[str]:
    scope, previous = chain["scope"]["id"], NOTHING
    where = f"consent scope {scope}"
    for position, event in enumerate(chain["events"], start=1):
        name = f"{where}, event {event['position']}"
        if event["position"] != position:
            yield f"{name}: stands where event {position} should be"
        if event["previous"] != previous:
            yield f"{name}: does not follow the event before it"
        if event_hash(event, statement, texts, scope) != event["hash"]:
            yield f"{name}: was changed"
        previous = event["hash"]
    signed = [one for one in statement["chains"] if one["scope"] == scope]
    if signed != [{"scope": scope, "length": len(chain["events"]), "head": previous}]:
        yield f"{where}: its end is not the one that the organization signed"
    latest = {event["kind"]: event for event in chain["events"]}
    for kind, state in chain["current"].items():
        if state != stands(kind, latest.get(kind)):
            yield f"{where}: what stands about {kind} does not follow from the events"


def stands(kind: str, event: Any) -> Any:
    """What the newest event of a kind leaves."""
    if event is None or (kind == "anonymous" and event["value"] == "yes"):
        return None
    own_answer = kind != "anonymous" and event["value"] in ("yes", "no")
    return {"value": event["value"], "given_at": event["happened_at"] if own_answer else None}


def check_seals(dossier: Any, statement: Any) -> Iterator[str]:
    anchors = {one["content"]["number"]: one for one in dossier["anchors"]}
    for number, anchor in anchors.items():
        content = anchor["content"]
        if content["key"] != statement["key"] or not signed_by(content["key"], canonical(content), anchor["signature"]):
            yield f"anchor {number}: was not signed by the organization"
        if content["organization"] != statement["organization"]:
            yield f"anchor {number}: is of another organization"
    for chain in dossier["chains"]:
        for event in chain["events"]:
            name = f"consent scope {chain['scope']['id']}, event {event['position']}"
            proof = event["proof"]
            if proof is None:
                if event["recorded_at"] < (statement["sealed_until"] or ""):
                    yield f"{name}: is not sealed, though later ones are"
                continue
            anchor = anchors.get(proof["anchor"])
            if anchor is None or root_of(event["hash"], proof["steps"]) != anchor["content"]["root"]:
                yield f"{name}: is not what anchor {proof['anchor']} sealed"


def root_of(content: str, steps: Any) -> str:
    found = sha256(b"\x00" + bytes.fromhex(content))
    for side, neighbour in steps:
        other = bytes.fromhex(neighbour)
        found = sha256(b"\x01" + (other + found if side == "left" else found + other))
    return found.hex()


def check_handed_out(dossier: Any, statement: Any, lines: Any) -> Iterator[str]:
    """The anchors of the file against those that were handed out."""
    handed_out = {}
    for line in lines:
        anchor = json.loads(line)
        content = anchor["content"]
        if content["organization"] != statement["organization"]:
            continue
        if not signed_by(content["key"], canonical(content), anchor["signature"]):
            yield f"anchor {content['number']} that was handed out: its signature is wrong"
        handed_out[content["number"]] = canonical(content)
    if not handed_out:
        yield "none of the anchors that were handed out is of this organization"
    for anchor in dossier["anchors"]:
        number = anchor["content"]["number"]
        if number in handed_out and handed_out[number] != canonical(anchor["content"]):
            yield f"anchor {number}: is not the one that was handed out"


def problems(dossier: Any, key: str | None = None, anchor_lines: Any = None) -> Iterator[str]:
    """What is wrong with a dossier, a line each; nothing when it proves what it says."""
    statement = dossier["statement"]
    if key is not None and statement["key"] != key.lower():
        yield "signed by another key than the organization's"
    if not signed_by(statement["key"], canonical(statement), dossier["signature"]):
        yield "the statement was not signed by the organization"
    if sorted(chain["scope"]["id"] for chain in dossier["chains"]) != sorted(
        one["scope"] for one in statement["chains"]
    ):
        yield "a consent scope is missing, or was added"
    yield from check_texts(dossier["texts"])
    for chain in dossier["chains"]:
        yield from check_chain(chain, statement, dossier["texts"])
    yield from check_seals(dossier, statement)
    if anchor_lines is not None:
        yield from check_handed_out(dossier, statement, anchor_lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Verifies a proof of consent.")
    parser.add_argument("dossier")
    parser.add_argument("--key", help="the organization's public key, in hexadecimal digits")
    parser.add_argument("--anchors", help="anchors that the organization handed out earlier")
    options = parser.parse_args()
    try:
        dossier = json.loads(Path(options.dossier).read_text(encoding="utf-8"))
        lines = None
        if options.anchors:
            lines = [line for line in Path(options.anchors).read_text(encoding="utf-8").splitlines() if line.strip()]
        found = list(problems(dossier, options.key, lines))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        found = [f"this is not a whole dossier ({type(error).__name__}: {error})"]
    for problem in found:
        sys.stdout.write(f"WRONG: {problem}\n")
    if found:
        return 1
    events = sum(len(chain["events"]) for chain in dossier["chains"])
    sys.stdout.write(f"OK: {events} events, whole and unchanged, signed with the key {dossier['statement']['key']}\n")
    if not (options.key or options.anchors):
        sys.stdout.write("Compare that key with the organization's own, or give --key or --anchors.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
