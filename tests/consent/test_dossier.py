"""The proof of one person's consent: whole as it is handed out, and false as soon as anybody touched it (rule C5)."""

from __future__ import annotations

import copy
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Organization
from common.tenancy import tenant
from consent.dossier import build_dossier, pack_dossier
from consent.rules import ChoiceValue
from consent.services.sealing import anchor_lines
from participants.models import Participant
from tests.consent.history import choose, write_history
from tests.support.cast import Cast
from tests.support.tamperings import IN_A_DOSSIER, WITH_A_KNOWN_KEY, load_verifier
from tests.support.world import later, make_participant

pytestmark = pytest.mark.django_db

YES = ChoiceValue.YES


@pytest.fixture
def bakery(cast: Cast) -> Iterator[Organization]:
    with tenant(cast.bakery.pk):
        yield cast.bakery


@pytest.fixture
def zoe(bakery: Organization, now: datetime) -> Participant:
    return make_participant(bakery, "zoe@home.example", now=now)


@pytest.fixture
def dossier(bakery: Organization, zoe: Participant, now: datetime) -> dict[str, Any]:
    write_history(bakery, zoe, now)
    return json.loads(json.dumps(build_dossier(bakery, zoe, now=later(now, days=1))))


def test_c5_a_proof_that_nobody_touched_is_whole(bakery: Organization, dossier: dict[str, Any]) -> None:
    verifier = load_verifier()
    key = dossier["statement"]["key"]
    assert list(verifier.problems(dossier)) == []
    assert list(verifier.problems(dossier, key, list(anchor_lines(bakery)))) == []
    assert [len(one["events"]) for one in dossier["chains"]] == [3, 1]


@pytest.mark.parametrize("name", IN_A_DOSSIER)
def test_c5_a_falsified_proof_is_seen(dossier: dict[str, Any], name: str) -> None:
    falsified = copy.deepcopy(dossier)
    IN_A_DOSSIER[name](falsified)
    assert list(load_verifier().problems(falsified))


@pytest.mark.parametrize("name", WITH_A_KNOWN_KEY)
def test_c5_a_proof_signed_by_somebody_else_is_seen_by_who_knows_the_key(
    bakery: Organization, dossier: dict[str, Any], name: str
) -> None:
    verifier, falsified, key = load_verifier(), copy.deepcopy(dossier), dossier["statement"]["key"]
    WITH_A_KNOWN_KEY[name](falsified)
    assert list(verifier.problems(falsified)) == [], "it is made to fit itself"
    assert list(verifier.problems(falsified, key))
    assert list(verifier.problems(falsified, None, list(anchor_lines(bakery))))


def test_c5_the_proof_of_somebody_who_never_answered_says_so(
    bakery: Organization, zoe: Participant, now: datetime
) -> None:
    dossier = build_dossier(bakery, zoe, now=now)
    assert list(load_verifier().problems(dossier)) == []
    assert (
        "never answered"
        in zipfile.ZipFile(io.BytesIO(pack_dossier(dossier, language="en"))).read("dossier.html").decode()
    )


@pytest.mark.parametrize(("change", "status"), [(None, 0), (IN_A_DOSSIER["changed value"], 1)])
def test_c5_the_program_needs_nothing_but_python(
    dossier: dict[str, Any], tmp_path: Path, change: Callable[[dict[str, Any]], None] | None, status: int
) -> None:
    zipfile.ZipFile(io.BytesIO(pack_dossier(dossier, language="en"))).extractall(tmp_path)
    if change:
        change(dossier)
        (tmp_path / "dossier.json").write_text(json.dumps(dossier))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "verify_dossier.py", "dossier.json", "--key", dossier["statement"]["key"]],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    assert done.stdout.startswith("WRONG" if status else "OK: 4 events")


def test_c5_signatures_are_verified_as_in_the_rfc() -> None:
    """RFC 8032, section 7.1, test 2; and not with anything changed."""
    verifier = load_verifier()
    key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert verifier.signed_by(key, "r", signature)
    assert not verifier.signed_by(key, "s", signature)
    assert not verifier.signed_by(key, "r", "93" + signature[2:])
    assert not verifier.signed_by("3e" + key[2:], "r", signature)
    assert not verifier.signed_by(key, "r", signature[:-2])


@pytest.mark.parametrize(("who", "status"), [("ana", 200), ("dana", 200), ("max", 403), ("ben", 403), ("cleo", 404)])
def test_c5_owner_and_dpo_take_the_proof_out_of_the_console(
    cast: Cast, client: Client, now: datetime, who: str, status: int
) -> None:
    with tenant(cast.bakery.pk):
        person = make_participant(cast.bakery, "zoe@home.example", now=now)
        choose(cast.bakery, person, now=now, opens=YES)
    client.force_login(getattr(cast, who))
    address = reverse("admin:participants_participant_dossier", args=[person.pk])
    response = client.post(address)
    assert response.status_code == status
    if status == 200:
        assert client.get(address).status_code == 405
        files = zipfile.ZipFile(io.BytesIO(response.content))
        assert sorted(files.namelist()) == ["dossier.html", "dossier.json", "verify_dossier.py"]
        assert list(load_verifier().problems(json.loads(files.read("dossier.json")))) == []
        assert "May we measure?" in files.read("dossier.html").decode()


@pytest.mark.parametrize(("who", "status"), [("ana", 200), ("dana", 200), ("max", 403), ("ben", 403)])
def test_c5_owner_and_dpo_take_the_anchors_out_of_the_console(
    cast: Cast, client: Client, now: datetime, who: str, status: int
) -> None:
    with tenant(cast.bakery.pk):
        write_history(cast.bakery, make_participant(cast.bakery, "zoe@home.example", now=now), now)
        lines = "".join(anchor_lines(cast.bakery))
    client.force_login(getattr(cast, who))
    page, file = client.get(reverse("admin:consent_seals")), client.get(reverse("admin:consent_anchors"))
    assert (page.status_code, file.status_code) == (status, status)
    if status == 200:
        assert file.content.decode() == lines
        assert json.loads(lines.splitlines()[0])["content"]["key"] in page.content.decode()


def test_c5_another_organization_s_anchors_are_not_to_be_had(cast: Cast, client: Client, now: datetime) -> None:
    with tenant(cast.bakery.pk):
        write_history(cast.bakery, make_participant(cast.bakery, "zoe@home.example", now=now), now)
    client.force_login(cast.cleo)
    assert client.get(reverse("admin:consent_anchors")).content == b""
