"""What every answer has to be like, whoever asked: its headers, its frames, and no formula in a file."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator

from django.http.response import HttpResponseBase

# Of every answer that Django gives, and a word of what stands there.
HEADERS = {
    "Content-Security-Policy": "base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=()",
    "X-Content-Type-Options": "nosniff",
}
QUIET = ("no-referrer", "same-origin")
_FRAME = re.compile(r"<iframe\b[^>]*>")
_SCRIPT = re.compile(r"<script\b(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")[^>]*>")
_HANDLER = re.compile(r"<[a-z][^<>]*\son[a-z]+\s*=\s*[\"']")


def faults_of(response: HttpResponseBase, body: bytes) -> Iterator[str]:
    """What is wrong with an answer."""
    for name, word in HEADERS.items():
        if word not in response.headers.get(name, ""):
            yield f"{name} is {response.headers.get(name)!r}"
    if response.headers.get("Referrer-Policy") not in QUIET:
        yield f"Referrer-Policy is {response.headers.get('Referrer-Policy')!r}"
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    if kind == "text/html":
        yield from _faults_of_page(response.headers["Content-Security-Policy"], body.decode())
    elif kind == "text/csv":
        yield from (f"{cell[:40]!r} is a formula" for cell in formulas(body.decode("utf-8-sig")))
    elif kind.endswith("spreadsheetml.sheet") and has_formula(body):
        yield "a sheet holds a formula"


def _faults_of_page(policy: str, page: str) -> Iterator[str]:
    sources = directives(policy)
    yield from (f"the policy has no {name}" for name in ("form-action", "frame-ancestors") if name not in sources)
    scripts = sources.get("script-src") or sources["default-src"]
    if set(scripts) & {"'unsafe-inline'", "*", "data:", "https:"}:
        yield f"scripts may come from {scripts}"
    if "sandbox" in sources:
        if {"allow-scripts", "allow-same-origin", "allow-forms"} & set(sources["sandbox"]):
            yield f"its sandbox is open: {sources['sandbox']}"
        # Under such a policy no script runs and nothing is of ours, whatever somebody wrote.
        return
    yield from (f"not sandboxed: {tag[:80]}" for tag in _FRAME.findall(page) if "sandbox=" not in tag)
    yield from (f"a script in the page: {tag[:80]}" for tag in _SCRIPT.findall(page))
    yield from (f"a script in a tag: {tag[-80:]}" for tag in _HANDLER.findall(page))


def directives(policy: str) -> dict[str, list[str]]:
    """A policy by its directives."""
    parts = (part.split() for part in policy.split(";"))
    return {name: sources for name, *sources in (part for part in parts if part)}


def formulas(text: str) -> list[str]:
    """The cells of a CSV file that a spreadsheet would compute."""
    return [cell for row in csv.reader(io.StringIO(text)) for cell in row if _computes(cell)]


def _computes(cell: str) -> bool:
    if re.fullmatch(r"[-+]?\d+([.,]\d+)?", cell):
        return False
    return cell.lstrip().startswith(("=", "+", "-", "@")) or cell.startswith(("\t", "\r", "\n"))


def words_in(body: bytes) -> bytes:
    """What stands in an answer, also where it is packed."""
    if not zipfile.is_zipfile(io.BytesIO(body)):
        return body
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return b"\n".join(archive.read(name) for name in archive.namelist())


def has_formula(workbook: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/sheet")]
        return any(re.search(rb"<f[ >]", archive.read(name)) for name in sheets)
