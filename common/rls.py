"""Migration operations for the walls between organizations (row-level security) and the doors through them."""

from __future__ import annotations

from django.db.migrations.operations import RunSQL

ORGANIZATION = "(select nullif(current_setting('app.organization', true), '')::bigint)"


def force_row_security(table: str, *, column: str = "organization_id", recorder: tuple[str, ...] = ()) -> RunSQL:
    """Rows of ``table`` are seen and written only by the organization in ``column``.

    The policy binds the app role. ``recorder`` lists the commands (SELECT, INSERT) that the recorder role may do across
    organizations; what it may touch at all is in ``config/grants.py``. FORCE binds the owner too, who therefore has
    BYPASSRLS.
    """
    forward = [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY organization_wall ON {table}"
        f" USING ({column} = {ORGANIZATION}) WITH CHECK ({column} = {ORGANIZATION})",
    ]
    for command in recorder:
        test = "WITH CHECK" if command == "INSERT" else "USING"
        forward.append(
            f"CREATE POLICY recorder_{command.lower()} ON {table} FOR {command} TO pli_recorder {test} (true)"
        )
    backward = [f"DROP POLICY IF EXISTS recorder_{command.lower()} ON {table}" for command in recorder]
    backward += [
        f"DROP POLICY IF EXISTS organization_wall ON {table}",
        f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    ]
    return RunSQL("; ".join(forward), "; ".join(backward))


def create_door(name: str, arguments: str, returns: str, query: str) -> RunSQL:
    """A SECURITY DEFINER function that answers one question without an organization; only the app role may call it."""
    if not name.startswith("door_"):
        raise ValueError("a door is named door_…")
    types = ", ".join(part.split()[-1] for part in arguments.split(",")) if arguments else ""
    forward = [
        f"CREATE FUNCTION {name}({arguments}) RETURNS TABLE({returns}) LANGUAGE sql STABLE SECURITY DEFINER "
        # Temporary tables come last, or whoever may make one could put it before a table that the door reads.
        f"SET search_path = pg_catalog, public, pg_temp AS $door$ {query} $door$",
        f"REVOKE ALL ON FUNCTION {name}({types}) FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {name}({types}) TO pli_app",
    ]
    return RunSQL("; ".join(forward), f"DROP FUNCTION {name}({types})")


# --- References -----------------------------------------------------------------------------------------------------
#
# PostgreSQL checks foreign keys past the walls: a number alone may name another organization's row. Where rows are few
# per request, the organization is compared too. Tables that are filled by the million are written from rows that the
# walls have shown (docs/tenancy.md lists them).


def may_be_referred_to(*tables: str) -> RunSQL:
    """Rows of small ``tables`` can be referred to together with their organization."""
    forward = [
        f"ALTER TABLE {table} ADD CONSTRAINT {table}_of_its_own UNIQUE (organization_id, id)" for table in tables
    ]
    backward = [f"ALTER TABLE {table} DROP CONSTRAINT {table}_of_its_own" for table in reversed(tables)]
    return RunSQL("; ".join(forward), "; ".join(backward))


def refers_within(table: str, **targets: str) -> RunSQL:
    """What ``table`` refers to belongs to the same organization: composite foreign keys, as ``website_id="…"``."""
    forward = [
        f"ALTER TABLE {table} ADD CONSTRAINT {_within(table, column)} FOREIGN KEY (organization_id, {column})"
        f" REFERENCES {target} (organization_id, id) DEFERRABLE INITIALLY DEFERRED"
        for column, target in targets.items()
    ]
    backward = [f"ALTER TABLE {table} DROP CONSTRAINT {_within(table, column)}" for column in targets]
    return RunSQL("; ".join(forward), "; ".join(backward))


def refers_within_many(table: str, **targets: str) -> RunSQL:
    """The same where the target has rows by the million: a look at its own key, without one more index of it.

    At once, not at the end of the transaction, when nobody's organization is set any more.
    """
    forward = [
        f"CREATE TRIGGER {_within(table, column)} AFTER INSERT OR UPDATE OF organization_id, {column} ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION refuse_foreign_reference('{column}', '{target}')"
        for column, target in targets.items()
    ]
    backward = [f"DROP TRIGGER {_within(table, column)} ON {table}" for column in targets]
    return RunSQL("; ".join(forward), "; ".join(backward))


def _within(table: str, column: str) -> str:
    return f"{table}_{column.removesuffix('_id')}_within"
