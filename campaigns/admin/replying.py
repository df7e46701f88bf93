"""The page of an email's questions: what is asked, what to insert, and what was answered."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.signed_in import organization_of
from campaigns.admin.base import role_may_not_change
from campaigns.admin.launching import LaunchPagesAdmin
from campaigns.models import Email, Question, QuestionKind
from campaigns.questions import are_asked, link_to_answer, questions_of
from campaigns.refusals import CampaignRefused
from campaigns.replies import count_replies, remove_question, save_question
from campaigns.selectors import launches_of


class QuestionPagesAdmin(LaunchPagesAdmin):
    """Beside launching: answer buttons."""

    def question_pages(self) -> list[URLPattern]:
        return [
            self.page("questions", self.questions_view),
            self.page("question_remove", self.remove_view, "questions/<int:question_id>/remove"),
        ]

    def questions_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The questions of an email; a POST adds one, or words one anew that was not sent yet."""
        email = self.find_or_404(request, pk)
        typed: dict[str, Any] = {"kind": QuestionKind.YES_NO, "text": "", "topics": "", "question": ""}
        problem = ""
        if request.method == "POST":
            if role_may_not_change(self, request):
                raise PermissionDenied
            typed = {name: request.POST.get(name, "")[:4000] for name in typed}
            problem = self._save(request, email, typed)
            if not problem:
                messages.success(request, _("The question is kept. Insert its buttons into the body."))
                return HttpResponseRedirect(reverse("admin:campaigns_email_questions", args=[email.pk]))
        elif edited := self._question(email, request.GET.get("edit", "")):
            typed = {
                "kind": edited.kind,
                "text": edited.text,
                "topics": "\n".join(edited.options) if edited.kind == QuestionKind.INTEREST else "",
                "question": str(edited.pk),
            }
        return self._questions_page(request, email, typed, problem)

    def _save(self, request: HttpRequest, email: Email, typed: dict[str, Any]) -> str:
        edited = self._question(email, typed["question"])
        if typed["question"] and edited is None:
            raise Http404
        try:
            save_question(
                organization_of(request),
                email,
                kind=typed["kind"],
                text=typed["text"],
                topics=typed["topics"].splitlines(),
                question=edited,
                now=timezone.now(),
            )
        except CampaignRefused as refusal:
            return str(refusal)
        self.note(request, email, "row:change", {"fields": ["questions"]})
        return ""

    def _question(self, email: Email, number: str) -> Question | None:
        if not number.isdecimal() or len(number) > 18:
            return None
        return next((one for one in questions_of(email) if one.pk == int(number)), None)

    def _questions_page(self, request: HttpRequest, email: Email, typed: dict[str, Any], problem: str) -> HttpResponse:
        organization = organization_of(request)
        launches = list(launches_of(organization, email))
        counted = {one.question.pk: one for one in count_replies(organization, [one.mailing for one in launches])}
        context = {
            **self.page_context(request, email, _("Answer buttons of “%(name)s”") % {"name": email.name}),
            "rows": [
                {
                    "question": question,
                    "links": [
                        (option, link_to_answer(question, number))
                        for number, option in enumerate(question.options, start=1)
                    ],
                    "counted": counted.get(question.pk),
                    "is_asked": are_asked(email, [question]),
                }
                for question in questions_of(email)
            ],
            "was_sent": bool(launches),
            "kinds": QuestionKind.choices,
            "typed": typed,
            "problem": problem,
        }
        status = 422 if problem else 200
        return TemplateResponse(request, "campaigns/email_questions.html", context, status=status)

    def remove_view(self, request: HttpRequest, pk: int, question_id: int) -> HttpResponse:
        """Takes a question away that was not sent yet."""
        email = self.find_or_404(request, pk)
        if role_may_not_change(self, request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        question = self._question(email, str(question_id))
        if question is None:
            raise Http404
        try:
            remove_question(organization_of(request), email, question)
        except CampaignRefused as refusal:
            messages.error(request, str(refusal))
        else:
            self.note(request, email, "row:change", {"fields": ["questions"]})
            messages.success(request, _("The question is taken away."))
        return HttpResponseRedirect(reverse("admin:campaigns_email_questions", args=[email.pk]))
