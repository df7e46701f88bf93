"""Which environment variables the code reads and the documentation names. For checks, not for running."""

import ast
import re
from pathlib import Path

DOCUMENT = Path("docs") / "settings.md"
# Where the environment is read; everything else asks django.conf.settings.
READERS = (Path("config"), Path("tests") / "support", Path("tests") / "browser")
SETTING = re.compile(r"(PLI_[A-Z_]*[A-Z]|PORT|(DATABASE|REDIS)_([A-Z]+_)?URL)\Z")
ROW = re.compile(r"^\| `([A-Z_]+)`", re.MULTILINE)


def read_by_code(root: Path) -> set[str]:
    """Names of settings that stand in the code as strings, since there are many ways to look one up."""
    paths = (path for folder in READERS for path in (root / folder).rglob("*.py"))
    return {name for path in paths for name in strings_in(path) if SETTING.match(name)}


def strings_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def documented(root: Path) -> set[str]:
    return set(ROW.findall((root / DOCUMENT).read_text(encoding="utf-8")))
