"""What all pages for recipients have in common: their language, and headers that keep the key in the address secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.csp import CSP
from django.utils.translation.trans_real import parse_accept_lang_header
from django.views.decorators.cache import never_cache
from django.views.decorators.csp import csp_override
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

View = Callable[..., HttpResponse]

# One style sheet and one picture of our own; no script at all.
PUBLIC_CSP = {
    "default-src": [CSP.NONE],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}


def public_page(view: View) -> View:
    """Nothing that is kept: no cookie, no cache, no referrer, no index.

    There is no CSRF token, since there is nothing that it could protect. Forgery makes a browser use a right that it
    carries by itself, such as a session's cookie. Here the right is the key in the address; a page of somebody else can
    send the form only if it knows the key, and then it needs nobody's browser.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex, nofollow, noarchive"
        return response

    return csp_override(PUBLIC_CSP)(csrf_exempt(never_cache(require_http_methods(["GET", "HEAD", "POST"])(wrapped))))


@dataclass(frozen=True, slots=True)
class LanguageLink:
    """One of the languages that a page can be read in, by its own name."""

    code: str
    name: str
    current: bool


def spoken(language: str) -> str | None:
    """The language of the public pages that a locale such as ``fr-BE`` asks for, None where we do not speak it."""
    code = language.replace("_", "-").split("-")[0].lower()
    return code if code in settings.PUBLIC_LANGUAGES else None


def language_of(request: HttpRequest, preferred: str = "") -> str:
    """The language asked for by ``?lang=``, else the person's, else the browser's, else English."""
    asked = [request.GET.get("lang", ""), preferred]
    asked += [code for code, _weight in parse_accept_lang_header(request.headers.get("Accept-Language", ""))]
    return next((found for code in asked if (found := spoken(code)) is not None), "en")


def language_links(current: str) -> list[LanguageLink]:
    """All languages of the public pages."""
    return [
        LanguageLink(code, str(translation.get_language_info(code)["name_local"]).capitalize(), code == current)
        for code in settings.PUBLIC_LANGUAGES
    ]


def render_public(template: str, context: Mapping[str, Any], language: str, *, status: int = 200) -> HttpResponse:
    """A page in one language. Without the request: no part of it may depend on a session or sets a cookie."""
    with translation.override(language):
        page = render_to_string(template, {**context, "language": language, "languages": language_links(language)})
    response = HttpResponse(page, status=status)
    response["Content-Language"] = language
    return response
