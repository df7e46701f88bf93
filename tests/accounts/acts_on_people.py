"""Acts on people, their rights, and the organization as a whole. As ``acts.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.core.files.base import ContentFile

from intake.exporting import retry_export, start_export
from intake.imports import run_import
from intake.models import ConsentMove, Import, PeopleExport, UnprovenYes
from intake.moving import MovePlan, add_evidence, continue_move, start_move
from intake.services import ImportPlan, cancel_import, continue_import, start_import, upload_import
from participants.models import Participant
from privacy.models import InactivityRule, PersonRequest, ProofOpening
from privacy.registers import keeping_of
from privacy.services import departure, inactivity, proofs, requests
from privacy.services.erasure import erase_participant
from privacy.services.organization_export import ask_organization_export
from privacy.services.retention import save_keeping
from tests.accounts.acts import ACTS as ACTS
from tests.accounts.acts import Stage, act
from tests.intake.importing import PROVENANCE
from websites.models import ConsentScope, Website

# --- People -----------------------------------------------------------------------------------------------------------


def upload(s: Stage, columns: str = "email", row: str = "zoe-7f3a@home.example") -> Import:
    file = ContentFile(f"{columns}\n{row}\n".encode())
    return upload_import(s.bakery, file=file, filename="people.csv", kind="participants", author=s.cast.max, now=s.now)


@act("people:import:upload", by="max")
def _upload(s: Stage) -> Iterator[str]:
    yield r"import \d+"
    upload(s)


@act("people:import", by="max")
def _import(s: Stage) -> Iterator[str]:
    source = upload(s)
    yield f"import {source.pk}"
    start_import(s.bakery, source, ImportPlan(mapping=source.mapping), now=s.now)


@act("people:import:cancel", by="max")
def _cancel_import(s: Stage) -> Iterator[str]:
    source = upload(s)
    yield f"import {source.pk}"
    cancel_import(s.bakery, source, now=s.now)


@act("people:import:continue", by="max")
def _continue_import(s: Stage) -> Iterator[str]:
    source = upload(s)
    Import.objects.filter(pk=source.pk).update(state="failed", rows_done=1, rows_total=2)
    yield f"import {source.pk}"
    continue_import(s.bakery, source, now=s.now)


@act("people:export", by="ana")
def _export(s: Stage) -> Iterator[str]:
    yield r"export \d+"
    start_export(s.bakery, scope=s.row(ConsentScope), author=s.cast.ana, now=s.now)


@act("people:export", by="max")
def _export_again(s: Stage) -> Iterator[str]:
    row = s.row(PeopleExport)
    PeopleExport.objects.filter(pk=row.pk).update(state="failed")
    yield f"export {row.pk}"
    retry_export(s.bakery, row, now=s.now)


@act("consent:move", by="max")
def _move(s: Stage) -> Iterator[str]:
    yield r"move \d+"
    plan = MovePlan(attribute="city", scope=s.row(ConsentScope), mapping={"Gent": "yes"})
    start_move(s.bakery, plan, author=s.cast.max, now=s.now)


@act("consent:move:continue", by="max")
def _continue_move(s: Stage) -> Iterator[str]:
    ConsentMove.objects.update(state="failed")
    yield f"move {s.row(ConsentMove).pk}"
    continue_move(s.bakery, s.row(ConsentMove), now=s.now)


@act("consent:evidence", by="max")
def _evidence(s: Stage) -> Iterator[str]:
    source = upload(s, "email,consent_email_tracking", "zoe-7f3a@home.example,yes")
    start_import(s.bakery, source, ImportPlan(mapping=source.mapping), now=s.now)
    run_import(s.bakery.pk, source.pk, clock=lambda: s.now)
    assert UnprovenYes.objects.exists()
    yield r"move \d+"
    add_evidence(s.bakery, source, provenance=PROVENANCE, author=s.cast.max, now=s.now)


# --- Rights of persons ------------------------------------------------------------------------------------------------


@act("request:note", by="dana")
def _note_request(s: Stage) -> Iterator[str]:
    yield r"request \d+"
    requests.open_request(
        s.bakery, kind="access", participant=s.row(Participant), channel="letter", actor=s.cast.dana, now=s.now
    )


@act("request:extend", by="dana")
def _extend(s: Stage) -> Iterator[str]:
    yield f"request {s.row(PersonRequest).pk}"
    requests.extend_request(s.bakery, s.row(PersonRequest), reason="zoe-7f3a", actor=s.cast.dana, now=s.now)


def _on_request(action: str, *, declined: bool) -> None:
    @act(action, by="dana")
    def _answer(s: Stage) -> Iterator[str]:
        request = s.row(PersonRequest)
        yield f"request {request.pk}"
        requests.answer_request(
            s.bakery, request, answer="To zoe-7f3a", declined=declined, actor=s.cast.dana, now=s.now
        )


_on_request("request:answer", declined=False)
_on_request("request:decline", declined=True)


@act("person:erase", by="dana")
def _erase(s: Stage) -> Iterator[str]:
    yield r"request \d+"
    erase_participant(s.bakery, s.row(Participant), actor=s.cast.dana, reason="zoe-7f3a wrote", now=s.now)


def opening(s: Stage, *, agreed: bool = False) -> ProofOpening:
    proof = proofs.seal_proof(s.bakery, s.row(Participant), {"email": "zoe-7f3a@home.example"}, now=s.now)
    asked = proofs.ask_to_open(s.bakery, proof, reason="A complaint", actor=s.cast.ana, now=s.now)
    return proofs.agree_to_open(s.bakery, asked, actor=s.cast.dana, now=s.now) if agreed else asked


@act("proof:ask", by="ana")
def _ask_proof(s: Stage) -> Iterator[str]:
    yield r"proof \d+"
    opening(s)


def _on_proof(action: str, step: Callable[..., object], *, agreed: bool = False) -> None:
    @act(action, by="dana")
    def _step(s: Stage) -> Iterator[str]:
        asked = opening(s, agreed=agreed)
        yield f"proof {asked.proof_id}"
        step(s.bakery, asked, actor=s.cast.dana, now=s.now)


_on_proof("proof:agree", proofs.agree_to_open)
_on_proof("proof:decline", proofs.decline_to_open)
_on_proof("proof:read", proofs.read_proof, agreed=True)


# --- The organization -------------------------------------------------------------------------------------------------


@act("settings:retention:change", by="dana")
def _retention(s: Stage) -> Iterator[str]:
    yield ""
    keeping = keeping_of(s.bakery)
    keeping.proofs_months = 24
    save_keeping(s.bakery, keeping, hits_months=13, on_withdrawal="delete", actor=s.cast.dana, now=s.now)


def rule(s: Stage) -> InactivityRule:
    return inactivity.set_rule(s.bakery, s.row(Website), months=24, answer_days=30, actor=s.cast.dana, now=s.now)


@act("settings:inactivity:change", by="dana")
def _inactivity(s: Stage) -> Iterator[str]:
    yield f"website {s.row(Website).pk}"
    rule(s)


def _on_inactivity(*, on: bool) -> None:
    @act("settings:inactivity:change", by="dana")
    def _switch(s: Stage) -> Iterator[str]:
        made = rule(s)
        yield f"website {s.row(Website).pk}"
        inactivity.switch_rule(s.bakery, made, on=on, actor=s.cast.dana, now=s.now)


_on_inactivity(on=True)
_on_inactivity(on=False)


@act("organization:export", by="ana")
def _organization_export(s: Stage) -> Iterator[str]:
    yield ""
    ask_organization_export(s.bakery, actor=s.cast.ana, now=s.now)


def leave(s: Stage) -> None:
    departure.ask_departure(s.bakery, typed_name="Bakery", reason="zoe-7f3a moves", actor=s.cast.ana, now=s.now)


@act("organization:departure:ask", by="ana")
def _leave(s: Stage) -> Iterator[str]:
    yield ""
    leave(s)


@act("organization:departure:confirm", by="dana")
def _confirm_leaving(s: Stage) -> Iterator[str]:
    leave(s)
    yield ""
    departure.confirm_departure(s.bakery, actor=s.cast.dana, now=s.now)


@act("organization:departure:withdraw", by="dana")
def _stay(s: Stage) -> Iterator[str]:
    leave(s)
    yield ""
    departure.withdraw_departure(s.bakery, actor=s.cast.dana, now=s.now)
