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
        f"SET search_path = pg_catalog, public AS $door$ {query} $door$",
        f"REVOKE ALL ON FUNCTION {name}({types}) FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {name}({types}) TO pli_app",
    ]
    return RunSQL("; ".join(forward), f"DROP FUNCTION {name}({types})")
