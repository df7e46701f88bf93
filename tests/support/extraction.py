"""The texts that our code and templates give to gettext, found without the gettext tools."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[2]
APPS = ["accounts", "campaigns", "common", "config", "consent", "delivery"]
APPS += ["intake", "participants", "privacy", "reporting", "tracking", "websites"]
PLAIN = {"_", "gettext", "gettext_lazy", "gettext_noop"}
PLURAL = {"ngettext", "ngettext_lazy"}
IN_CONTEXT = {"pgettext", "pgettext_lazy"}
PLURAL_IN_CONTEXT = {"npgettext", "npgettext_lazy"}

# What recipients read, in the six languages of PUBLIC_LANGUAGES: folders of templates, and single files. Not 404.html:
# it is a page of the console, in the two languages of those who sign in; a public address that leads nowhere has a page
# of its own.
PUBLIC = ["templates/public", "templates/privacy/public", "privacy/words.py", "privacy/services/inactivity.py"]
PUBLIC += ["templates/intake/public", "templates/intake/confirmation.html", "templates/intake/confirmation.txt"]
PUBLIC += ["intake/views.py", "intake/confirmations.py", "intake/entry_form.py", "intake/wordings.py"]
PUBLIC += ["participants/reasons.py", "templates/tracking/unsigned_link.html", "templates/campaigns/public"]
# Of these files, one class or function only: the labels that a new question of a form has in each of its languages.
PUBLIC_PARTS = {"intake/models.py": "FieldKind", "intake/form_editing.py": "_own_texts"}

_LITERAL = r"""[ur]?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_CALL = re.compile(rf"\b(n?p?gettext|_)\(({_LITERAL}(?:\s*,\s*{_LITERAL})*)", re.DOTALL)

Key = tuple[str, str]
"""A context, which may be empty, and the English text (of a plural: the singular)."""


def texts_of_project() -> set[Key]:
    """All that is to be translated."""
    found: set[Key] = set()
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            found.update(_texts_of_python(path.read_text()))
    for kind in ("*.html", "*.txt"):
        for path in (ROOT / "templates").rglob(kind):
            found.update(texts_of_template(path))
    return found


def public_texts() -> set[Key]:
    """All that recipients read."""
    found: set[Key] = set()
    for name in PUBLIC:
        path = ROOT / name
        if path.suffix == ".py":
            found.update(_texts_of_python(path.read_text()))
            continue
        for template in path.rglob("*.html") if path.is_dir() else [path]:
            found.update(texts_of_template(template))
    for name, part in PUBLIC_PARTS.items():
        tree = ast.parse((ROOT / name).read_text())
        (node,) = [
            node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == part
        ]
        found.update(_texts_of_python(ast.unparse(node)))
    return found


def texts_of_template(path: Path) -> set[Key]:
    """What one template of Django says."""
    calls = _CALL.findall(templatize(path.read_text(), origin=str(path)))
    found = ((name, _strings(f"({arguments},)")) for name, arguments in calls)
    return {_key(name, strings) for name, strings in found}


def _texts_of_python(source: str) -> Iterator[Key]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            strings = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            if strings and node.func.id in PLAIN | PLURAL | IN_CONTEXT | PLURAL_IN_CONTEXT:
                yield _key(node.func.id, strings)


def _strings(literals: str) -> list[str]:
    return list(ast.literal_eval(literals))


def _key(name: str, strings: list[str]) -> Key:
    if name in IN_CONTEXT | PLURAL_IN_CONTEXT:
        return strings[0], strings[1]
    return "", strings[0]
