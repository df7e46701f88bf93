"""What a website permits, told once more without the code: tests compare the two."""

from __future__ import annotations

from datetime import date

from consent.rules import Kind, WebsiteState
from websites.rules import RuleKey

# Which rows of the table need no yes and no justification, in words, by country.
FREE = {
    "FR": {"last_open_day", "authentication_security", "informed_did_not_refuse"},
    "IT": {
        "anonymous_opens",
        "anonymous_clicks",
        "authentication_security",
        "legal_notice",
        "informed_did_not_refuse",
    },
    "BE": {"authentication_security"},
    "GB": {"authentication_security"},
    "": {"authentication_security"},
    "CH": {key.value for key in RuleKey},
}


def in_words(site: WebsiteState, person: str, kind: Kind, *, on: date) -> tuple[str, set[str]]:
    """The rules, told once more without the code: the basis, and what is permitted."""
    countries = {site.country, person or site.declared_country}

    def free(key: str) -> bool:
        named = {
            country
            for one in site.justifications
            if one.ends_on >= on and key in one.rule_keys
            for country in one.countries
        }
        return all(key in FREE[country] or (country and country in named) for country in countries)

    if site.stopped:
        return "stopped", set()
    if site.tracking == "never":
        return "never", set()
    if kind not in site.notice_covers:
        return "no_notice", set()
    always = site.tracking == "always"
    everybody = always and free(f"individual_{kind}")
    fallback = site.opens_fallback if kind == "opens" else site.clicks_fallback
    told = fallback in site.notice_covers
    conditions = {
        "with_yes": True,
        "unless_no": everybody,
        "if_informed": free("informed_did_not_refuse"),
        "professionals": site.for_professionals and free("professionals_opt_out"),
        "authentication": free("authentication_security"),
        "legal_notice": free("legal_notice"),
        "anonymous": fallback == "anonymous" and told and free(f"anonymous_{kind}"),
        "last_open_day": kind == "opens" and fallback == "last_open_day" and told and free("last_open_day"),
    }
    basis = "unless_no" if everybody else "with_yes_by_law" if always else "with_yes"
    return basis, {name for name, holds in conditions.items() if holds}
