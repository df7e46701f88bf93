"""Privacy > Sealed proofs: found by an address only, opened by two people with a reason (rule D2)."""

from __future__ import annotations

import json

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.signed_in import member_of, organization_of
from privacy.admin.base import DutyPages, back_to, say
from privacy.admin.forms import FindProofForm, ReasonForm
from privacy.models import ProofOpening, SealedProof
from privacy.services.proofs import (
    ProofRefused,
    acts_on,
    agree_to_open,
    ask_to_open,
    decline_to_open,
    find_proofs,
    read_proof,
)


class ProofPages(DutyPages):
    def proof_urls(self) -> list[URLPattern]:
        return [
            self.duty("proofs/", self.proofs_view, "proofs"),
            self.duty("proofs/<int:proof>/ask/", self.ask_view, "proof_ask"),
            self.duty("proofs/opening/<int:opening>/<str:act>/", self.decide_view, "proof_decide"),
        ]

    def proofs_view(self, request: HttpRequest) -> HttpResponse:
        """Nobody can list whose proofs there are: an address has to be typed."""
        organization = organization_of(request)
        form = FindProofForm(request.POST or None)
        found = None
        if request.method == "POST" and form.is_valid():
            found = find_proofs(organization, form.cleaned_data["address"], now=timezone.now())
        openings = ProofOpening.objects.filter(organization=organization).select_related("asked_by", "agreed_by")
        return self.page(
            request,
            "proofs.html",
            _("Sealed proofs of consent"),
            form=form,
            media=form.media,
            found=found,
            reason_form=ReasonForm(),
            openings=[(one, acts_on(organization, one, actor=member_of(request))) for one in openings[:50]],
            total=SealedProof.objects.filter(organization=organization).count(),
        )

    def ask_view(self, request: HttpRequest, proof: int) -> HttpResponse:
        organization = organization_of(request)
        one = SealedProof.objects.filter(organization=organization, pk=proof).first()
        if one is None:
            raise Http404
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = ReasonForm(request.POST)
        reason = form.cleaned_data["reason"] if form.is_valid() else ""
        say(
            request,
            lambda: ask_to_open(organization, one, reason=reason, actor=member_of(request), now=timezone.now()),
            _("Asked. The other of owner and data protection officer has to agree."),
            ProofRefused,
        )
        return back_to("privacy_personrequest_proofs")

    def decide_view(self, request: HttpRequest, opening: int, act: str) -> HttpResponse:
        organization, now, actor = organization_of(request), timezone.now(), member_of(request)
        one = ProofOpening.objects.filter(organization=organization, pk=opening).first()
        if one is None or act not in ("agree", "decline", "read"):
            raise Http404
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if act == "agree":
            say(
                request,
                lambda: agree_to_open(organization, one, actor=actor, now=now),
                _("Both of you can read it now."),
                ProofRefused,
            )
        elif act == "decline":
            say(
                request,
                lambda: decline_to_open(organization, one, actor=actor, now=now),
                _("It stays sealed."),
                ProofRefused,
            )
        else:
            content: list[dict[str, object]] = []
            if say(
                request,
                lambda: content.append(read_proof(organization, one, actor=actor, now=now)),
                _("It was noted that you read it."),
                ProofRefused,
            ):
                return _file(content[0])
        return back_to("privacy_personrequest_proofs")


def _file(content: dict[str, object]) -> HttpResponse:
    text = json.dumps(content, ensure_ascii=False, indent=2)
    response = HttpResponse(text, content_type="application/json; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="proof.json"'
    response["Cache-Control"] = "no-store"
    return response
