"""Public pages: taking part in a campaign, and confirming an address. GET and HEAD change nothing (rule H2)."""

from __future__ import annotations

from datetime import datetime
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.csp import CSP
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from campaigns.rules import CampaignStatus
from common.policies import with_policy
from common.public_pages import PUBLIC_CSP, View, language_links, language_of, public_page, render_public, spoken
from common.ratelimit import Limit, client_prefix, within_limit
from common.tenancy import tenant
from intake.confirmations import confirm, describe, find_confirmation
from intake.entries import receive_entry
from intake.entry_form import PublicEntryForm
from intake.form_selectors import (
    allowed_frames,
    fields_of,
    find_form,
    get_form,
    page_shown,
    scopes_of,
    status_of,
    text_of,
    wordings_shown,
)
from intake.models import Confirmation, EntryForm, FormField
from intake.tokens import Shown, TokenError, TokenFault, read_page, sign_page
from participants.rules import normalise_email

# A school or an office behind one address may take part together.
ENTRIES_OF_NETWORK = Limit("entries of a network", most=60, seconds=600)
ENTRIES_OF_ADDRESS = Limit("entries of an address", most=5, seconds=3600)
CONFIRMATIONS = Limit("confirmations", most=60, seconds=600)


def _framed(view: View) -> View:
    """Lets the websites that a page names show it in a frame; everywhere else it stays out of frames."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        hosts = getattr(response, "frame_hosts", None)
        if hosts:
            with_policy(response, {**PUBLIC_CSP, "script-src": [CSP.SELF], "frame-ancestors": hosts})
            response.xframe_options_exempt = True
        return response

    return wrapped


# --- Taking part ------------------------------------------------------------------------------------------------------


@_framed
@public_page
def participation(request: HttpRequest, key: str) -> HttpResponse:
    """/f/<key>: the form, and after sending it the exit screen."""
    found = find_form(key)
    if found is None:
        return _no_such_page(request)
    organization_id, form_id = found
    with tenant(organization_id):
        form = get_form(organization_id, form_id)
        if form.published_at is None:
            return _no_such_page(request)
        page = _Page(request, form, timezone.now())
        response = page.answer()
    if page.embedded:
        response.frame_hosts = allowed_frames(form)  # type: ignore[attr-defined]
    return response


class _Page:
    """One request for one form."""

    def __init__(self, request: HttpRequest, form: EntryForm, now: datetime) -> None:
        self._request, self._form, self._now = request, form, now
        self._organization = form.organization
        self._questions: list[FormField] = fields_of(form.organization, form)
        self.embedded = request.GET.get("embed") == "1"
        self._language = page_language(request, form)

    def answer(self) -> HttpResponse:
        status = status_of(self._form, now=self._now)
        if status is not CampaignStatus.OPEN:
            return self._closed(status)
        if self._request.method != "POST":
            return self._show(self._fresh())
        if not within_limit(ENTRIES_OF_NETWORK, f"{self._form.pk}/{client_prefix(self._request)}", now=self._now):
            return self._too_many()
        return self._receive()

    def _receive(self) -> HttpResponse:
        try:
            shown = read_page(self._request.POST.get("page", ""), form_id=self._form.pk, now=self._now)
        except TokenError as error:
            return self._not_taken(error)
        self._language = shown.language
        with translation.override(shown.language):
            filled = self._filled(shown)
            if not filled.is_valid():
                return self._show(shown, filled, status=422)
            entry = filled.entry()
        address = f"{self._form.pk}/{normalise_email(entry.email)}"
        if not within_limit(ENTRIES_OF_ADDRESS, address, now=self._now):
            return self._too_many()
        receive_entry(self._organization, self._form, entry, shown, now=self._now)
        return self._render("exit.html", {"double_opt_in": self._form.double_opt_in})

    def _not_taken(self, error: TokenError) -> HttpResponse:
        """Everything that was typed is still there; only what was ticked under old words is asked again."""
        if error.fault is TokenFault.TOO_QUICK and error.shown is not None:
            message = "quick"
            shown, data = error.shown, self._request.POST.copy()
        else:
            message = "old"
            shown, data = self._fresh(), self._request.POST.copy()
            for name in [name for name in data if name.startswith("tracking")]:
                del data[name]
        self._language = shown.language
        with translation.override(shown.language):
            filled = self._filled(shown, data)
            filled.is_valid()
            words = {
                "quick": _("That was very quick. Please look at your answers and send them once more."),
                "old": _("This page lay open for long. Please look at your answers and send them once more."),
            }[message]
            filled.add_error(None, words)
            return self._show(shown, filled, status=422)

    def _fresh(self) -> Shown:
        return page_shown(self._form, self._questions, self._language, now=self._now)

    def _filled(self, shown: Shown, data: Any = None) -> PublicEntryForm:
        return PublicEntryForm(
            self._form,
            self._questions,
            shown,
            wordings=wordings_shown(self._organization, shown),
            scopes=scopes_of(self._organization),
            data=self._request.POST if data is None else data,
        )

    def _show(self, shown: Shown, filled: PublicEntryForm | None = None, *, status: int = 200) -> HttpResponse:
        with translation.override(shown.language):
            empty = PublicEntryForm(
                self._form,
                self._questions,
                shown,
                wordings=wordings_shown(self._organization, shown),
                scopes=scopes_of(self._organization),
                source=self._request.GET.get("source", "")[:120],
            )
            context = {"form": filled or empty, "page_token": sign_page(shown)}
            return self._render("participation.html", context, status=status)

    def _closed(self, status: CampaignStatus) -> HttpResponse:
        planned = status is CampaignStatus.PLANNED
        context = {"planned": planned, "opens_at": self._form.campaign.opens_at}
        code = 200 if planned and self._request.method != "POST" else 410
        return self._render("closed.html", context, status=code)

    def _too_many(self) -> HttpResponse:
        return self._render("too_many.html", {}, status=429)

    def _render(self, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
        form, language = self._form, self._language
        common = {
            "organization": self._organization,
            "entry_form": form,
            "embedded": self.embedded,
            # Inside a frame the form names its own address: with the language, for answers that never read the page.
            "query": f"?embed=1&lang={language}" if self.embedded else "",
            "form_languages": [link for link in language_links(language) if link.code in form.languages],
            "texts": {
                name: text_of(form, language, name) for name in ("title", "intro", "button", "exit_title", "exit_text")
            },
        }
        return render_public(f"intake/public/{template}", {**common, **context}, language, status=status)


def page_language(request: HttpRequest, form: EntryForm) -> str:
    """The language asked for, else the browser's, as far as the form speaks it; else the form's first one."""
    accepted = [code for code, _weight in parse_accept_lang_header(request.headers.get("Accept-Language", ""))]
    wanted = [spoken(code) for code in (request.GET.get("lang", ""), *accepted)]
    first = str(form.languages[0]) if form.languages else "en"
    return next((code for code in wanted if code is not None and code in form.languages), first)


def _no_such_page(request: HttpRequest) -> HttpResponse:
    return render_public("intake/public/unknown.html", {"form_languages": []}, language_of(request), status=404)


@require_safe
@cache_control(public=True, max_age=3600)
def embed_script(request: HttpRequest) -> HttpResponse:
    """/f/embed.js: puts a form into somebody's page. The same bytes for everybody."""
    response = HttpResponse(render_to_string("intake/embed.js"), content_type="text/javascript; charset=utf-8")
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    response["Referrer-Policy"] = "no-referrer"
    return response


# --- Confirming an address --------------------------------------------------------------------------------------------


@public_page
def confirmation(request: HttpRequest, key: str) -> HttpResponse:
    """/d/<key>: what would count, and the button that makes it count."""
    found = find_confirmation(key)
    if found is None:
        return _no_such_page(request)
    organization_id, confirmation_id = found
    now = timezone.now()
    if request.method == "POST" and not within_limit(CONFIRMATIONS, key, now=now):
        return render_public("privacy/public/too_many.html", {}, language_of(request), status=429)
    with tenant(organization_id):
        waiting = Confirmation.objects.select_related("organization", "website", "participant").get(pk=confirmation_id)
        language = language_of(request, waiting.language)
        with translation.override(language):
            items = describe(waiting.organization, waiting)
        context: dict[str, Any] = {
            "organization": waiting.organization,
            "website": waiting.website,
            "items": items,
            "done": waiting.confirmed_at is not None,
            "form_languages": language_links(language),
        }
        expired = waiting.confirmed_at is None and waiting.expires_at <= now
        if request.method == "POST" and not expired:
            context["done"] = confirm(waiting.organization, waiting, now=now)
        context["expired"] = expired
        status = 410 if expired else 200
        return render_public("intake/public/confirmation.html", context, language, status=status)
