"""The few questions that may be asked without an organization, and the recorder's role: no more than they need."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest
from django.db import connections

from tests.support.hits import recorder_connection

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

TENANCY = Path(__file__).resolve().parents[2] / "docs" / "tenancy.md"
DOORS = """
SELECT p.proname, p.prosecdef, p.provolatile, p.proowner::regrole::text, p.proconfig, pg_get_function_result(p.oid),
       (SELECT array_agg(g.grantee::regrole::text) FROM aclexplode(p.proacl) g WHERE g.grantee <> p.proowner)
  FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'door\\_%'"""
# Whoever knocks learns numbers, which open nothing by themselves; what else is told is written out here.
NUMBERS = re.compile(r"TABLE\(organization_id bigint(, [a-z_]+_id bigint)*\)")
MORE_THAN_NUMBERS = {
    "door_organizations_of_user": "TABLE(organization_id bigint, name text, role text)",
    "door_sign_on_by_name": "TABLE(provider_key uuid)",
    "door_tracking_domains": "TABLE(organization_id bigint, domain text)",
}


def rows(sql: str) -> list[tuple[object, ...]]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def test_every_door_is_narrow() -> None:
    doors = rows(DOORS)
    assert len(doors) > 20
    wide = [
        name
        for name, definer, volatility, owner, config, result, callers in doors
        if not definer
        or volatility != "s"  # such a function can write nothing
        or owner != "pli_owner"
        or config != ["search_path=pg_catalog, public, pg_temp"]
        or not (result == MORE_THAN_NUMBERS.get(str(name)) or NUMBERS.fullmatch(str(result)))
        or callers != ["pli_app"]
    ]
    assert wide == []


def test_every_door_is_reviewed() -> None:
    text = TENANCY.read_text()
    missing = [f"docs/tenancy.md: say why {name} is safe" for name, *_ in rows(DOORS) if f"`{name}`" not in text]
    assert missing == [], "\n".join(missing)
    gone = set(re.findall(r"`(door_\w+)`", text)) - {name for name, *_ in rows(DOORS)}
    assert gone == set()


def test_nothing_else_runs_with_the_owners_rights() -> None:
    assert rows(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
        " AND proname NOT LIKE 'door\\_%'"
    ) == []  # fmt: skip


def test_the_recorder_may_do_just_what_recording_needs() -> None:
    found = rows(
        "SELECT table_name, privilege_type FROM information_schema.table_privileges WHERE grantee = 'pli_recorder'"
    )
    assert set(found) == {
        ("tracking_hit", "INSERT"),
        ("tracking_hitbatch", "INSERT"),
        ("tracking_hitbatch", "SELECT"),
        ("tracking_lastopenday", "INSERT"),
        ("tracking_lastopenday", "SELECT"),
        ("tracking_anonymoustotal", "INSERT"),
        ("tracking_anonymoustotal", "SELECT"),
    }
    columns = rows(
        "SELECT table_name, column_name, privilege_type FROM information_schema.column_privileges"
        " WHERE grantee = 'pli_recorder'"
    )
    tables = {table for table, _column, _right in columns} - {table for table, _right in found}
    assert tables == {
        "accounts_organization",
        "consent_choice",
        "tracking_anonymouscontent",
        "tracking_trackedcontent",
        "tracking_trackedmessage",
        "websites_measurementpermission",
    }
    assert {(table, column) for table, column, right in columns if right == "UPDATE"} == {
        ("tracking_anonymoustotal", "hits"),
        ("tracking_lastopenday", "day"),
    }
    # Of an organization nothing but whose day it is.
    assert {column for table, column, _ in columns if table == "accounts_organization"} == {"id", "timezone"}
    # Of an email nothing but whether the approval of its exempt purpose was taken back.
    assert {column for table, column, _ in columns if table == "tracking_trackedcontent"} == {"id", "exempt_ended"}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT email FROM participants_participant",
        "SELECT name FROM accounts_organization",
        "SELECT * FROM tracking_hit",
        "DELETE FROM tracking_hit",
        "UPDATE tracking_trackedmessage SET opens = 'individual'",
        "SELECT * FROM door_organizations()",
        "SET ROLE pli_owner",
        "SET ROLE pli_app",
        "CREATE TABLE of_mine (id int)",
    ],
)
def test_the_recorder_is_refused_anything_else(statement: str) -> None:
    with recorder_connection() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)
