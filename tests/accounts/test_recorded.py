"""Every act of a member is in the trail: once, in the transaction of the act, with who did it and to what."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from django.db import transaction

from accounts.audit import acting_as
from accounts.models import AuditEntry
from accounts.words import ACTIONS
from campaigns.exemptions import approve_exemption
from campaigns.services import CampaignRefused, launch_email
from common.tenancy import tenant
from consent import services as consent
from delivery.connection_models import Connection
from delivery.connections import ConnectionRefused, attest
from intake.moving import MovePlan, MoveRefused, start_move
from privacy.models import PersonRequest
from privacy.services import departure, proofs, requests
from tests.accounts.acts import Act, Stage, ask_exemption, justify, other_email, propose
from tests.accounts.acts_at_console import ACTS
from tests.accounts.acts_on_people import leave, opening
from tests.isolation.rooms import furnish
from tests.support.cast import Cast
from websites.models import ConsentScope, Website

pytestmark = pytest.mark.django_db
MARKER = "zoe-7f3a"
SECRET = "secret-c2d8"

# What these tests say of the others: who signs in, with what, and who is a member.
TESTED_ELSEWHERE = {
    "audit:trail:export": "test_trail",
    "impersonation:begin": "test_impersonation",
    "impersonation:end": "test_impersonation",
    "member:add": "test_create_member",
    "member:address:change": "test_recorded_sign_ins",
    "member:invite": "test_members",
    "member:invite:fail": "test_undelivered",
    "member:join": "test_members",
    "member:leave": "test_members",
    "member:role:change": "test_members",
    "organization:create": "test_members",
    "session:end": "test_recorded_sign_ins",
    "session:factor:add": "test_recorded_sign_ins",
    "session:factor:fail": "test_recorded_sign_ins",
    "session:factor:remove": "test_recorded_sign_ins",
    "session:password:change": "test_recorded_sign_ins",
    "session:sign_in": "test_recorded_sign_ins",
    "session:sign_in:fail": "test_recorded_sign_ins",
    "settings:sign_in:changed": "test_single_sign_on",
}


@pytest.fixture
def stage(cast: Cast, now: datetime) -> Stage:
    rooms = furnish(cast.bakery, cast.ana, colleague=cast.ben, now=now, marker=MARKER)
    return Stage(cast, rooms, now)


def entries(stage: Stage) -> list[AuditEntry]:
    with tenant(stage.bakery.pk):
        return list(AuditEntry.objects.order_by("pk"))


def done(stage: Stage, act: Act) -> tuple[str, list[AuditEntry]]:
    """What an act is about, and the entries it left. Everything is taken back."""
    with transaction.atomic():
        with tenant(stage.bakery.pk), acting_as(stage.person(act.by)):
            steps: Iterator[str] = act.do(stage)
            target = next(steps)
            before = AuditEntry.objects.count()
            next(steps, None)
            left = list(AuditEntry.objects.order_by("pk")[before:])
        transaction.set_rollback(True)
    return target, left


def problem_of(stage: Stage, act: Act) -> str:
    target, left = done(stage, act)
    mine = [entry for entry in left if entry.action == act.action]
    said = [(entry.action, entry.actor_name, entry.target) for entry in left]
    if len(mine) != 1 or mine[0].actor != stage.person(act.by) or not re.fullmatch(target, mine[0].target):
        return f"{act.action} by {act.by} on {target!r} left {said}"
    held = str([{**entry.__dict__, "_state": None} for entry in left])
    for word in (MARKER, SECRET, "@home.example", "@bread.example"):
        if word in held:
            return f"{act.action} tells of {word}: {held}"
    return ""


def test_every_act_leaves_one_entry_that_names_its_member_and_no_person(stage: Stage) -> None:
    before = len(entries(stage))
    problems = [problem for act in ACTS if (problem := problem_of(stage, act))]
    assert problems == [], "\n".join(problems)
    assert len(ACTS) > 80
    assert len(entries(stage)) == before, "an entry goes with the act that was rolled back"


def test_every_action_has_an_act_or_another_test() -> None:
    assert {act.action for act in ACTS} | TESTED_ELSEWHERE.keys() == ACTIONS.keys()


def refused_acts(s: Stage) -> list[tuple[type[Exception], Callable[[], object]]]:
    """What is refused, once what comes before it has been done."""
    bakery, ana, dana, max_, now = s.bakery, s.cast.ana, s.cast.dana, s.cast.max, s.now
    proposal, justification, exemption, asked = propose(s), justify(s), ask_exemption(s), opening(s)
    unfinished, request = other_email(s, subject=""), s.row(PersonRequest)
    plan = MovePlan(attribute="city", scope=s.row(ConsentScope), mapping={})
    leave(s)
    policy, move, duty, proof = consent.PolicyRefused, MoveRefused, requests.RequestRefused, proofs.ProofRefused
    return [
        (policy, lambda: consent.confirm_proposal(bakery, proposal, author=ana, now=now, note="Yes")),
        (policy, lambda: consent.decline_proposal(bakery, proposal, author=s.cast.ben, now=now)),
        (policy, lambda: consent.confirm_justification(bakery, justification, author=ana, now=now, note="Yes")),
        (policy, lambda: consent.stop_measuring(bakery, s.row(Website), author=dana, reason=" ", now=now)),
        (policy, lambda: approve_exemption(bakery, exemption, author=max_, now=now, note="Yes")),
        (CampaignRefused, lambda: launch_email(bakery, unfinished, author=max_, now=now)),
        (ConnectionRefused, lambda: attest(bakery, s.row(Connection), author=ana, text="ok", now=now)),
        (move, lambda: start_move(bakery, plan, author=max_, now=now)),
        (duty, lambda: requests.extend_request(bakery, request, reason=" ", actor=dana, now=now)),
        (duty, lambda: requests.answer_request(bakery, request, answer=" ", actor=dana, now=now)),
        (proof, lambda: proofs.agree_to_open(bakery, asked, actor=ana, now=now)),
        (proof, lambda: proofs.read_proof(bakery, asked, actor=ana, now=now)),
        (departure.DepartureRefused, lambda: departure.confirm_departure(bakery, actor=max_, now=now)),
    ]


def test_what_is_refused_leaves_none(stage: Stage) -> None:
    with tenant(stage.bakery.pk):
        acts = refused_acts(stage)
        before = AuditEntry.objects.count()
        for number, (refusal, act) in enumerate(acts):
            with pytest.raises(refusal):
                act()
            assert AuditEntry.objects.count() == before, f"number {number} of the refused acts left an entry"
