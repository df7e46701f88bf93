"""/w/<key>: a sent email in the browser, for whom their mail program shows it badly. Never measured."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.csp import CSP
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from common.policies import email_policy, with_policy
from common.public_pages import PUBLIC_CSP
from common.tenancy import tenant
from delivery.templating import TemplateError
from delivery.web_version import message_of_web_version_key, web_version_of
from privacy.views.pages import unknown_key


@never_cache
@require_safe
def web_version(request: HttpRequest, key: str) -> HttpResponse:
    """The author's HTML as a document that may do nothing: no script, no form, no cookie of ours, no referrer."""
    html = _html_of(key)
    if html is None:
        response = with_policy(unknown_key(request), PUBLIC_CSP)
    else:
        # Pictures of the design may be files of this installation.
        policy = email_policy(["https:", f"{settings.BASE_URL}{settings.STATIC_URL}"])
        response = with_policy(HttpResponse(html), policy | {"frame-ancestors": [CSP.NONE]})
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    return response


def _html_of(key: str) -> str | None:
    found = message_of_web_version_key(key)
    if found is None:
        return None
    organization_id, message_id = found
    with tenant(organization_id):
        try:
            return web_version_of(organization_id, message_id)
        except TemplateError:  # what is known of the person has changed since
            return None
