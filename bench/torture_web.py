"""The web process of the product, for the torture of hits: more patient, with less memory, or broken on purpose.

TORTURE_PATIENCE: seconds that an answer waits for its commit; the product's own when empty.
TORTURE_KEPT: hits that are kept while the database is away; the product's own when empty.
TORTURE_CONTROL: answers do not wait for their commit. The torture must notice.
"""

from __future__ import annotations

import os

from django.conf import settings

from config.asgi import Application, django_application
from config.hosts import KnownHosts
from tracking.recorder import ANSWER_WITHIN_SECONDS, HITS_KEPT, Recorder


class Impatient(Recorder):
    def take(self, key: str, kind: int, link_number: int, seen: int) -> None:
        super().take(key, kind, link_number, seen)


application = Application(
    django_application,
    (Impatient if os.environ.get("TORTURE_CONTROL") else Recorder)(
        settings.RECORDER_DATABASE_URL,
        hits_kept=int(os.environ.get("TORTURE_KEPT") or HITS_KEPT),
        answer_within=float(os.environ.get("TORTURE_PATIENCE") or ANSWER_WITHIN_SECONDS),
    ),
    KnownHosts(settings.ALLOWED_HOSTS, frozenset),
)
