"""Content-Security-Policies of single answers, where a page cannot have that of its neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from django.http import HttpResponse
from django.utils.csp import CSP

Policy = Mapping[str, Sequence[str]]


def with_policy[Answer: HttpResponse](response: Answer, policy: Policy) -> Answer:
    """The answer under a policy that only this request knows; Django has a decorator only for those known before."""
    response._csp_config = {name: list(sources) for name, sources in policy.items()}  # type: ignore[attr-defined]
    return response


def has_policy(response: HttpResponse) -> bool:
    """Whether somebody chose a policy for this answer already."""
    return hasattr(response, "_csp_config")


def email_policy(pictures: Iterable[str]) -> dict[str, list[str]]:
    """Of an email shown in a sandboxed frame of ours: no script, no form, and these sources of pictures."""
    return {
        "default-src": [CSP.NONE],
        "img-src": ["data:", *dict.fromkeys(pictures)],
        "style-src": [CSP.UNSAFE_INLINE],
        "frame-ancestors": [CSP.SELF],
        "base-uri": [CSP.NONE],
        "form-action": [CSP.NONE],
        "sandbox": ["allow-popups", "allow-popups-to-escape-sandbox"],
    }
