"""What the pages of the officer and the owners share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.models import Role
from accounts.signed_in import organization_of, role_of
from participants.models import Participant

# Who answers for the rights of persons.
RESPONSIBLE = frozenset({Role.OWNER, Role.DPO})

type View = Callable[..., HttpResponseBase]


class DutyPages:
    """Mixed into the admin of requests, below whose address all these pages are."""

    admin_site: Any
    opts: Any

    def duty(self, address: str, view: View, name: str) -> URLPattern:
        """A page for owners and the officer."""

        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if role_of(request) not in RESPONSIBLE:
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return path(address, self.admin_site.admin_view(checked), name=f"privacy_personrequest_{name}")

    def page(self, request: HttpRequest, template: str, title: str, status: int = 200, **context: Any) -> HttpResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.opts, "title": title}
        return TemplateResponse(request, f"privacy/console/{template}", {**shared, **context}, status=status)

    def form_page(self, request: HttpRequest, title: str, form: Form, **context: Any) -> HttpResponse:
        """One form on a page of its own."""
        status = 422 if form.errors else 200
        return self.page(request, "form.html", title, status, form=form, media=form.media, **context)


def back_to(name: str, *args: Any) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse(f"admin:{name}", args=args))


def say(request: HttpRequest, work: Callable[[], Any], done: str, refused: type[Exception]) -> bool:
    """Do something and say how it went, in the words of a refusal if it was one."""
    try:
        work()
    except refused as refusal:
        messages.error(request, str(refusal))
        return False
    messages.success(request, done)
    return True


def person_or_404(request: HttpRequest, pk: int) -> Participant:
    person = Participant.objects.filter(organization=organization_of(request), pk=pk).first()
    if person is None:
        raise Http404
    return person
