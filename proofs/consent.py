"""The proofs themselves: each runs, counts what ran, prints its lines and keeps what is wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

from django.db import connections

from accounts.models import Organization
from accounts.services import create_organization
from bench.support import result, say
from common.tenancy import tenant
from consent.dossier import build_dossier
from consent.rules import Kind
from consent.services.sealing import anchor_lines
from consent.verification import verify_ledger
from participants.models import Participant
from tests.consent.history import write_history
from tests.support.cast import make_cast
from tests.support.cells import Compared, compare_copies, compare_totals
from tests.support.crawl import Crawler, make_world
from tests.support.histories import run_histories
from tests.support.hits import Copies, make_copies
from tests.support.tamperings import (
    IN_A_DOSSIER,
    IN_THE_DATABASE,
    WITH_A_KNOWN_KEY,
    WITH_KEPT_ANCHORS,
    Dossier,
    as_owner,
    load_verifier,
)
from tests.support.withdrawals import race
from tests.support.world import later, make_participant

# What belongs to the schema, and is there before anybody comes.
KEPT_TABLES = ("django_migrations", "django_content_type", "auth_permission")


class Proofs:
    """One run against one database and its server."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._wrong: list[str] = []
        # The pages go by the real clock, so what is prepared for them lies a moment before.
        self._now = datetime.now(UTC) - timedelta(seconds=1)
        self._cast = make_cast(self._now)

    def conclude(self) -> int:
        """The status of the command."""
        for sentence in self._wrong:
            say(f"WRONG: {sentence}")
        say("something is wrong" if self._wrong else "everything is as it should be")
        return 1 if self._wrong else 0

    def _print(self, name: str, value: int, *, right: bool, why: object = "") -> None:
        result(f"proof.{name}", value)
        if not right:
            self._wrong.append(f"proof.{name} {value} {why}".strip())

    # --- Hits -----------------------------------------------------------------------------------------------------

    def crawl(self) -> None:
        say("asking every public address as people, programs that fetch ahead, and scanners do")
        with closing(Crawler(self._base)) as crawler:
            crawled = crawler.crawl(make_world(self._cast, self._now))
        self._print("public_urls_crawled", crawled.addresses, right=not crawled.unexpected, why=crawled.unexpected)
        self._print("requests_of_the_crawl", crawled.requests, right=crawled.requests > crawled.addresses)
        changed = crawled.changed
        self._print("rows_changed_by_get", changed.total(), right=not changed, why=dict(changed))
        self._print("permitted_hits_of_the_crawl", crawled.permitted, right=crawled.permitted > 0)
        same = crawled.recorded == crawled.permitted
        self._print("permitted_hits_recorded", crawled.recorded, right=same, why="is not what was permitted")

    def race(self, people: int) -> None:
        say("withdrawing while mail is being opened")
        seen = race(self._copies("Race"), self._base, people=people)
        raced = seen.had_hits == seen.withdrawn > 0 and seen.of_others > 0
        self._print("withdrawals_under_load", seen.withdrawn, right=raced and not seen.errors, why=seen)
        self._print("hits_left_by_withdrawals", seen.left, right=seen.left == 0)

    def compare_cells(self) -> None:
        say("putting every combination to the recorder's statement and to the rules")
        cells, differences = 0, []
        for kind in Kind:
            for compare in (compare_copies, compare_totals):
                compared: Compared = compare(self._copies(f"{compare.__name__} {kind}"), kind)
                cells += compared.cells
                differences += compared.differences
                if len(compared.effects) < 2:
                    self._wrong.append(f"{compare.__name__} of {kind} saw one outcome only")
        equal = cells - len(differences)
        self._print("decision_cells", cells, right=cells > 0)
        self._print("decision_cells_sql_equals_python", equal, right=not differences, why=differences[:3])

    def play_histories(self, examples: int, seed: int) -> None:
        say(f"playing random histories, seed {seed}")
        tally = run_histories(self._cast.bakery, examples=examples, chosen_by=seed)
        worth = tally.histories >= examples and tally.recorded > 0
        self._print("random_histories", tally.histories, right=worth, why=f"of {examples}")
        self._print("hits_of_histories", tally.hits, right=tally.hits > 0)
        self._print("hits_of_histories_recorded", tally.recorded, right=tally.recorded > 0)
        forbidden = tally.forbidden
        self._print("forbidden_records", len(forbidden), right=not forbidden, why=forbidden[:1])

    def _copies(self, name: str) -> Copies:
        """A website of an organization that no other proof uses."""
        return make_copies(create_organization(name=name, now=self._now))

    # --- The ledger -----------------------------------------------------------------------------------------------

    def tamper(self) -> None:
        say("falsifying the consent history, one way at a time")
        caught = dict(self._tamperings())
        missed = sorted(name for name, seen in caught.items() if not seen)
        self._print("ledger_tamperings_tried", len(caught), right=bool(caught))
        self._print("ledger_tamperings_caught", len(caught) - len(missed), right=not missed, why=f"missed: {missed}")

    def _tamperings(self) -> Iterator[tuple[str, bool]]:
        """Each by name, and whether it was seen."""
        for name, falsify in {**IN_THE_DATABASE, **WITH_KEPT_ANCHORS}.items():
            organization, _person = self._written()
            with tenant(organization.pk):
                kept = list(anchor_lines(organization)) if name in WITH_KEPT_ANCHORS else None
            self._require_whole(f"the history before: {name}", bool(self._problems(organization, kept)))
            as_owner(falsify)
            yield f"database: {name}", bool(self._problems(organization, kept))
        organization, person = self._written()
        with tenant(organization.pk):
            dossier = json.loads(json.dumps(build_dossier(organization, person, now=later(self._now, days=1))))
        yield from self._tamperings_of(dossier, IN_A_DOSSIER, None)
        yield from self._tamperings_of(dossier, WITH_A_KNOWN_KEY, dossier["statement"]["key"])

    def _tamperings_of(
        self, dossier: Dossier, ways: dict[str, Callable[[Dossier], None]], key: str | None
    ) -> Iterator[tuple[str, bool]]:
        verifier = load_verifier()
        self._require_whole("the proof of one person", any(True for _ in verifier.problems(dossier, key)))
        for name, falsify in ways.items():
            falsified = copy.deepcopy(dossier)
            falsify(falsified)
            yield f"proof of one person: {name}", any(True for _ in verifier.problems(falsified, key))

    def _problems(self, organization: Organization, kept: list[str] | None) -> list[str]:
        with tenant(organization.pk):
            return [str(problem) for problem in verify_ledger(organization, kept_anchors=kept)]

    def _require_whole(self, what: str, wrong: bool) -> None:
        """Whoever cries wolf at everything catches everything."""
        if wrong:
            self._wrong.append(f"{what} is not whole although nobody touched it")

    def _written(self) -> tuple[Organization, Participant]:
        """A consent history alone in an empty database, since the falsifications take the first row they find."""
        _empty_database()
        organization = create_organization(name="Ledger", now=self._now)
        with tenant(organization.pk):
            person = make_participant(organization, "zoe@home.example", now=self._now)
            write_history(organization, person, self._now)
        return organization, person


def _empty_database() -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SET app.ledger_maintenance = 'on'")
        cursor.execute(
            "SELECT string_agg(quote_ident(relname), ', ') FROM pg_class WHERE relkind IN ('r', 'p')"
            " AND NOT relispartition AND relnamespace = 'public'::regnamespace AND relname <> ALL(%s)",
            [list(KEPT_TABLES)],
        )
        (tables,) = cursor.fetchone()
        cursor.execute(f"TRUNCATE {tables} CASCADE")
