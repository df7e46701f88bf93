"""``make prove-consent``: it counts what it tried, and whatever goes unseen makes it end with 1 (docs/proofs.md)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from proofs.consent import Proofs
from tests.support.tamperings import Dossier, change_value

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])

type Ways = dict[str, Callable[[Dossier], None]]


def leave_it(dossier: Dossier) -> None:
    """What cannot be seen, since nothing was done."""


@pytest.mark.parametrize(
    ("ways", "caught", "status"),
    [
        ({"a changed value": change_value}, 1, 0),
        ({"a changed value": change_value, "nothing at all": leave_it}, 1, 1),
        ({}, 0, 1),
    ],
    ids=["all are seen", "one is missed", "nothing was tried"],
)
def test_what_goes_unseen_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, ways: Ways, caught: int, status: int
) -> None:
    for name in ("IN_THE_DATABASE", "WITH_KEPT_ANCHORS", "WITH_A_KNOWN_KEY"):
        monkeypatch.setattr(f"proofs.consent.{name}", {})
    monkeypatch.setattr("proofs.consent.IN_A_DOSSIER", ways)
    proofs = Proofs("http://127.0.0.1:9")
    proofs.tamper()
    assert proofs.conclude() == status
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        f"proof.ledger_tamperings_tried {len(ways)}",
        f"proof.ledger_tamperings_caught {caught}",
    ]
    assert ("WRONG: " in said.err) is bool(status)
    assert ("nothing at all" in said.err) is ("nothing at all" in ways)


def test_histories_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    proofs = Proofs("http://127.0.0.1:9")
    proofs.play_histories(examples=1, seed=20261122)
    told = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert (told["proof.random_histories"], told["proof.forbidden_records"]) == ("1", "0")
    # One story is little: a run in which nothing was recorded tried nothing, and says so.
    assert proofs.conclude() == (0 if int(told["proof.hits_of_histories_recorded"]) else 1)
