"""Every table with an organization is forced behind row-level security, and the roles can do no more than they need."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import connection, connections, models

from accounts.models import Organization, TenantModel
from common.tenancy import tenant
from tests.support.cast import Cast

STACK = [
    "config", "reporting", "privacy", "intake", "campaigns", "delivery", "tracking", "consent", "participants",
    "websites", "accounts",
]  # fmt: skip


def rows(sql: str, alias: str = "owner") -> list[tuple[object, ...]]:
    with connections[alias].cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


@pytest.mark.django_db(databases=["default", "owner"])
def test_every_table_with_an_organization_has_a_forced_policy() -> None:
    walled = {
        name
        for (name,) in rows(
            "SELECT c.relname FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid"
            " WHERE c.relrowsecurity AND c.relforcerowsecurity AND p.polname = 'organization_wall'"
        )
    }
    with_organization = {
        name
        for (name,) in rows(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE a.attname = 'organization_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        )
    }
    assert with_organization <= walled
    assert {model._meta.db_table for model in apps.get_models() if issubclass(model, TenantModel)} <= with_organization
    assert Organization._meta.db_table in walled


@pytest.mark.django_db(databases=["default", "owner"])
def test_partitions_grant_nothing_to_anybody() -> None:
    granted = rows(
        "SELECT c.relname, grantee.rolname FROM pg_class c"
        " CROSS JOIN LATERAL aclexplode(c.relacl) acl JOIN pg_roles grantee ON grantee.oid = acl.grantee"
        " WHERE c.relispartition AND grantee.rolname IN ('pli_app', 'pli_recorder')"
    )
    assert granted == []
    assert rows("SELECT count(*) > 3 FROM pg_class WHERE relispartition AND relkind = 'r'") == [(True,)]


@pytest.mark.django_db
def test_without_an_organization_tenant_tables_read_as_empty(cast: Cast) -> None:
    assert Organization.objects.count() == 0
    with tenant(cast.bakery.pk):
        assert list(Organization.objects.values_list("name", flat=True)) == ["Bakery"]
        with tenant(cast.cinema.pk):
            assert list(Organization.objects.values_list("name", flat=True)) == ["Cinema"]
        assert list(Organization.objects.values_list("name", flat=True)) == ["Bakery"]


@pytest.mark.django_db(databases=["default", "owner"])
def test_the_web_runs_under_a_role_that_walls_bind() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == ("pli_app", False, False)
    owned = rows("SELECT count(*) FROM pg_class WHERE relowner = 'pli_app'::regrole")
    assert owned == [(0,)]


def test_foreign_keys_point_down_the_stack() -> None:
    upwards = []
    for model in apps.get_models():
        if model._meta.app_label not in STACK:
            continue
        for field in model._meta.get_fields():
            if isinstance(field, models.ForeignKey) and field.related_model._meta.app_label in STACK:
                source, target = model._meta.app_label, field.related_model._meta.app_label
                if STACK.index(target) < STACK.index(source):
                    upwards.append(f"{model.__name__}.{field.name} -> {field.related_model.__name__}")
    assert upwards == []
