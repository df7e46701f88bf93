"""A number alone cannot name another organization's row: foreign keys compare the organization, too."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, connections, transaction

from accounts.models import BulkTenantModel
from campaigns.models import Campaign
from common.tenancy import tenant
from privacy.models import FreshLink
from tests.support.cast import Cast
from tests.support.world import make_participant, make_website

# Filled by the million although they are no BulkTenantModel: written from rows that the walls have shown
# (docs/tenancy.md). Adding a table here takes a sentence there.
WRITTEN_FROM_ROWS_THAT_WERE_SEEN = {
    "consent_preferencekey",
    "delivery_outsideperson",
    "privacy_inactivitycheck",
    "tracking_trackedmessage",
}
SINGLE_KEYS = """
SELECT child.relname, a.attname, parent.relname
  FROM pg_constraint c JOIN pg_class child ON child.oid = c.conrelid JOIN pg_class parent ON parent.oid = c.confrelid
  JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
 WHERE c.contype = 'f' AND c.conparentid = 0 AND cardinality(c.conkey) = 1
   AND (SELECT count(*) FROM pg_attribute o
         WHERE o.attrelid IN (c.conrelid, c.confrelid) AND o.attname = 'organization_id'
           AND NOT o.attisdropped) >= CASE WHEN c.conrelid = c.confrelid THEN 1 ELSE 2 END
   AND parent.relname <> 'accounts_organization' ORDER BY 1, 2"""
TIED = """
SELECT child.relname, a.attname FROM pg_constraint c JOIN pg_class child ON child.oid = c.conrelid
  JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[2]
 WHERE c.contype = 'f' AND cardinality(c.conkey) = 2
UNION SELECT child.relname, split_part(encode(t.tgargs, 'escape'), '\\000', 1)
  FROM pg_trigger t JOIN pg_class child ON child.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE p.proname = 'refuse_foreign_reference'"""


@pytest.mark.django_db(databases=["default", "owner"])
def test_every_reference_between_tenants_tables_compares_the_organization() -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(TIED)
        tied = set(cursor.fetchall())
        cursor.execute(SINGLE_KEYS)
        keys = cursor.fetchall()
    bulk = {model._meta.db_table for model in apps.get_models() if issubclass(model, BulkTenantModel)}
    loose = [
        f'{table}.{column}: add refers_within("{table}", {column}="{target}") to a migration (common/rls.py)'
        for table, column, target in keys
        if (table, column) not in tied and table not in bulk | WRITTEN_FROM_ROWS_THAT_WERE_SEEN
    ]
    assert loose == [], "\n".join(loose)
    assert len(tied) > 50


def test_a_campaign_for_anothers_website_is_refused(cast: Cast, now: datetime) -> None:
    website = make_website(cast.bakery, cast.ana, now=now)
    with tenant(cast.bakery.pk):
        Campaign.objects.create(organization=cast.bakery, website=website, name="Ours")
        connection.check_constraints()
    with tenant(cast.cinema.pk):
        Campaign.objects.create(organization=cast.cinema, website_id=website.pk, name="Theirs")
    with pytest.raises(IntegrityError):
        connection.check_constraints()


def test_a_link_for_anothers_participant_is_refused(cast: Cast, now: datetime) -> None:
    ours = make_participant(cast.bakery, "zoe@home.example", now=now)
    theirs = make_participant(cast.cinema, "yan@home.example", now=now)
    link = {"kind": "data", "key_hash": "x", "expires_at": now}
    with pytest.raises(IntegrityError), transaction.atomic(), tenant(cast.cinema.pk):
        FreshLink.objects.create(organization=cast.cinema, participant_id=ours.pk, **link)
    with tenant(cast.bakery.pk):
        mine = FreshLink.objects.create(organization=cast.bakery, participant_id=ours.pk, **link)
    with pytest.raises(IntegrityError), transaction.atomic(), tenant(cast.bakery.pk):
        FreshLink.objects.filter(pk=mine.pk).update(participant_id=theirs.pk)
