"""The privacy lint: what an email would tell others about its readers, found before it leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from delivery.lint.copies import Copy, SourceMap, check_copies, check_footer
from delivery.lint.findings import Code, Finding, Severity
from delivery.lint.places import Document
from delivery.lint.source import check_source, declared_as
from delivery.lint.urls import address_marks
from delivery.rendering import CONSENT, PREFERENCES, UNSUBSCRIBE, CompiledEmail, EmailSource, fill_email
from delivery.templating import TemplateError

__all__ = ["Code", "Finding", "Recipient", "Severity", "declared_as", "lint_email"]


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody for whom the lint renders the email."""

    email: str
    # Countries and languages may see other links than others; people of one group may not.
    group: str
    variables: Mapping[str, object]
    urls: Mapping[str, str] = field(default_factory=dict)


def lint_email(
    source: EmailSource,
    compiled: CompiledEmail | None,
    *,
    recipients: Sequence[Recipient],
    functional: Iterable[str] = (),
) -> list[Finding]:
    """Everything in an email that would tell others about its readers, in the order in which it stands there.

    What cannot be compiled is read as it was written; what can is rendered for every recipient and compared too.
    """
    declared = frozenset(declared_as(link) for link in functional)
    document = Document(source.body)
    findings = list(check_source(document, declared))
    copies = _copies(compiled, recipients) if compiled is not None else []
    if copies:
        sources = SourceMap(document.shown, source.text, document.places)
        findings += check_copies(copies, sources, declared)
        findings += check_footer(copies[0], needed=_needed_links(source), names=_needed_names(source, recipients[0]))
    return _each_once(findings)


def _copies(compiled: CompiledEmail, recipients: Sequence[Recipient]) -> list[Copy]:
    copies = []
    for one in recipients:
        try:
            filled = fill_email(compiled, one.variables, one.urls)
        except TemplateError:
            continue  # said elsewhere: it is a fault of the template, and tells nobody anything
        copies.append(Copy(one.group, address_marks(one.email), one.urls, filled.html, filled.text))
    return copies


def _needed_links(source: EmailSource) -> dict[str, Code]:
    needed = {PREFERENCES: Code.NO_PREFERENCES}
    if source.marketing:
        needed[UNSUBSCRIBE] = Code.NO_UNSUBSCRIBE
    if source.asks_consent:
        needed[CONSENT] = Code.NO_CONSENT_LINK
    return needed


def _needed_names(source: EmailSource, recipient: Recipient) -> list[str]:
    if not source.marketing:
        return []
    return [str(recipient.variables.get(name, "")) for name in ("legal_name", "legal_address")]


# What says the same of one place, the first of them standing for all.
_SAME = {
    Code.LINK_DIFFERS: (Code.ATTRIBUTE_IN_URL, Code.ADDRESS_IN_URL, Code.KEY_IN_URL),
    Code.FOREIGN_PIXEL: (Code.OPEN_TRACKER,),
    Code.RESOURCE_DIFFERS: (),
}


def _place(finding: Finding) -> tuple[object, ...]:
    """What tells findings apart. Images are found by their tag as written, and by their address in a copy."""
    if finding.line is None:
        return finding.code, finding.snippet
    column = None if finding.code in (Code.FOREIGN_PIXEL, Code.SPACER) else finding.column
    return finding.code, finding.field, finding.line, column


def _each_once(findings: Iterable[Finding]) -> list[Finding]:
    """Without what was found twice, or is said better by another finding at the same line."""
    unique = {_place(one): one for one in reversed(list(findings))}
    by_line: dict[tuple[str, int | None], set[Code]] = {}
    for one in unique.values():
        by_line.setdefault((one.field, one.line), set()).add(one.code)
    kept = [one for one in unique.values() if not by_line[one.field, one.line].intersection(_SAME.get(one.code, ()))]
    return sorted(kept, key=lambda one: (one.field, one.line or 0, one.column or 0, one.code))
