"""A million participants from a CSV file, and the same people again with one row in ten changed.

    python -m bench.importing [--participants N]

The import runs as ops run it, by ``manage.py import_participants`` in a process of its own, whose time and largest
memory are what is printed: reading, validating, recording consent with its provenance, and writing.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg

from bench.support import bench_database, result, say
from config.services import manage_command

SEED = 20_261_122
HEADER = "email,country,locale,first_name,last_name,external_id,consent_email_opens,consent_email_clicks\n"
FIRST = ("Julie", "Marc", "Anna", "Luca", "Marie", "Jan", "Eva", "Paolo", "Chloé", "Sören", "Inès", "Zoë", "Karel")
LAST = ("Martin", "Rossi", "Müller", "Dupont", "Janssens", "Bianchi", "Weber", "Peeters", "Moreau", "Vidal", "García")
PLACES = ("FR,fr", "BE,nl", "BE,fr", "IT,it", "DE,de", "NL,nl", "CH,de", "GB,en")
# Six in ten answered: four yes, two no.
ANSWERS = ("yes", "yes", "yes", "yes", "no", "no", "", "", "", "")
ASCII = str.maketrans("éöèëíáüñ", "eoeeiauu")
# A prime, so that its multiples come by every number of participants once.
STRIDE = 618_034_003
# One row in a thousand cannot be imported.
BROKEN_EVERY = 1000


def rows(participants: int, *, changed_every: int = 0) -> Iterator[str]:
    """The rows of the file in no order; with ``changed_every``, some names differ."""
    chance = random.Random(SEED)
    for position in range(participants):
        # In an order that is none, and without a list of it: what this process holds would count as the import's.
        number = position * STRIDE % participants
        first, last = chance.choice(FIRST), chance.choice(LAST)
        place = chance.choice(PLACES)
        opens, clicks = chance.choice(ANSWERS), chance.choice(ANSWERS)
        local = f"{first}.{last}{number}".lower().translate(ASCII)
        if changed_every and number % changed_every == 0:
            last += "-Neu"
        yield f"{local}@mail{number % 50}.example,{place},{first},{last},C{number},{opens},{clicks}\n"
        if position % BROKEN_EVERY == 0:
            yield f"{local}.mail.example,{place},{first},{last},C{number},{opens},{clicks}\n"


def write_file(path: Path, participants: int, *, changed_every: int = 0) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        file.writelines(rows(participants, changed_every=changed_every))
    say(f"{path.name}: {path.stat().st_size / 1e6:.0f} MB")


class Measured(NamedTuple):
    seconds: float
    rss_mb: float


def run_import(path: Path) -> Measured:
    """Import a file in a fresh process, as ops do."""
    command = manage_command(
        *("import_participants", str(path), "--organization", "Bench"),
        *("--provenance-where", "the form at www.example", "--collected-at", "2024-05-31"),
        *("--wording", "I agree that Bench measures whether I open its emails and which links I follow."),
        *("--evidence", "export of the form, kept by the DPO"),
    )
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    report = process.stdout.read()
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    for line in report.splitlines():
        say(line)
    if process.returncode != 0:
        raise SystemExit(f"the import ended with {process.returncode}")
    return Measured(seconds, usage.ru_maxrss / 1024)


def check(url: str, participants: int) -> None:
    """Nothing is fast that did not do its work."""
    with psycopg.connect(url) as connection:
        people, answered, events = connection.execute(
            "SELECT (SELECT count(*) FROM participants_participant), (SELECT count(*) FROM consent_choice"
            " WHERE opens <> 'unknown' OR clicks <> 'unknown'), (SELECT count(*) FROM consent_choiceevent)"
        ).fetchone() or (0, 0, 0)
    if people != participants or not 0 < answered <= events:
        raise SystemExit(f"{people} participants, {answered} with an answer, {events} events")
    say(f"{people:,} participants, {answered:,} with an answer, {events:,} events in the history")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--participants", type=int, default=1_000_000)
    participants = parser.parse_args().participants
    with bench_database("importing") as (home, urls):
        first, again = home / "people.csv", home / "people-again.csv"
        write_file(first, participants)
        write_file(again, participants, changed_every=10)
        organization = ("owner@www.example", "--organization", "Bench", "--create-organization", "--random-password")
        subprocess.run(manage_command("create_member", *organization), check=True, stdout=subprocess.DEVNULL)
        fresh = run_import(first)
        check(urls["DATABASE_OWNER_URL"], participants)
        repeated = run_import(again)
        check(urls["DATABASE_OWNER_URL"], participants)
    result("import.seconds", fresh.seconds, 1)
    result("import.rss_mb", max(fresh.rss_mb, repeated.rss_mb))
    result("import.reimport_seconds", repeated.seconds, 1)


if __name__ == "__main__":
    main()
