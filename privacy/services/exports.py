"""Everything that is kept about one person, as files that they and a machine can read (access, portability; D2)."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Organization
from common.safe_csv import safe_cell
from common.tenancy import tenant
from participants.models import Participant
from privacy.services.person_record import PARTS, person_record

LONGEST_CELL = 30_000

type Rows = Sequence[Mapping[str, Any]]


def export_person(organization: Organization, participant: Participant, *, now: datetime) -> bytes:
    """A zip with one JSON file, a CSV file for each part, and a word about what is what."""
    with tenant(organization.pk):
        record = person_record(organization, participant, now=now)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        write = _writer(archive, now)
        write("README.txt", _readme(organization, now))
        write("data.json", json.dumps(record, ensure_ascii=False, indent=2, default=str))
        for name, rows in record.items():
            if isinstance(rows, list) and rows:
                write(f"{name}.csv", table(rows))
            elif isinstance(rows, dict) and name == "person":
                write(f"{name}.csv", table([_flat(rows)]))
    return content.getvalue()


def _writer(archive: zipfile.ZipFile, now: datetime) -> Callable[[str, str], None]:
    def write(name: str, text: str) -> None:
        # Without the times of this machine: the same person twice is the same file.
        archive.writestr(zipfile.ZipInfo(name, now.timetuple()[:6]), text.encode("utf-8"), zipfile.ZIP_DEFLATED)

    return write


def table(rows: Rows) -> str:
    """Rows as CSV that a spreadsheet opens without running anything, and reads as UTF-8."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return "\ufeff" + text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, default=str)
    return safe_cell(value, limit=LONGEST_CELL)


def _flat(person: Mapping[str, Any]) -> dict[str, Any]:
    """A person's own attributes as columns of their own."""
    attributes = person.get("attributes") or {}
    rest = {name: value for name, value in person.items() if name != "attributes"}
    return rest | {f"attribute:{name}": value for name, value in attributes.items()}


def _readme(organization: Organization, now: datetime) -> str:
    lines = [
        _("What %(organization)s keeps about you") % {"organization": organization.legal_name or organization.name},
        _("Made on %(day)s (UTC).") % {"day": now.strftime("%Y-%m-%d %H:%M")},
        "",
        _("data.json holds everything, for a program to read. Each .csv file holds one part, for a spreadsheet."),
        _("A part that has no file is empty: nothing of that kind is kept. Times are in UTC."),
        "",
        *(f"{name}: {words}" for name, words in PARTS.items()),
    ]
    return "\n".join(lines) + "\n"
