"""Members of several organizations reading at once, over the connections of a pooler. Prints what they saw.

    python -m tests.isolation.pooled_reads transaction|session ORGANIZATION …

``session`` is the control: the organization is set for the connection instead of the transaction.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import django
from django.db import connection, transaction

READS = 50
READERS_OF_EACH = 4


@contextmanager
def _for_the_connection(organization_id: int) -> Iterator[None]:
    """As ``common.tenancy.tenant`` must not do it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.organization', %s, false)", [str(organization_id)])
    with transaction.atomic():
        yield


def main() -> None:
    scope, *numbers = sys.argv[1:]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from common.tenancy import tenant
    from participants.models import Participant

    enter = tenant if scope == "transaction" else _for_the_connection

    def read(organization_id: int) -> list[set[int]]:
        seen = []
        for _ in range(READS):
            with enter(organization_id):
                seen.append({person.organization_id for person in Participant.objects.all()})
        connection.close()
        return seen

    found = {"reads": 0, "own": 0, "foreign": 0}
    readers = [int(number) for number in numbers] * READERS_OF_EACH
    with ThreadPoolExecutor(len(readers)) as threads:
        for organization_id, seen in zip(readers, threads.map(read, readers), strict=True):
            found["reads"] += len(seen)
            found["own"] += sum(one == {organization_id} for one in seen)
            found["foreign"] += sum(bool(one - {organization_id}) for one in seen)
    print(json.dumps(found))  # noqa: T201 - this is what the program is for


if __name__ == "__main__":
    main()
