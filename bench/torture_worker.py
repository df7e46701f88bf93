"""A worker of the product, for the torture of sending: with shorter leases if asked, or broken on purpose.

TORTURE_LEASE: seconds after which what a dead worker held is taken over; the product's own when empty.
TORTURE_CONTROL: what stands in *sending* may be claimed again, as if it had never left. The torture must notice.
"""

from __future__ import annotations

import os
from datetime import timedelta

import django

from config.celery import app


def shorten(seconds: float) -> None:
    from delivery import outbox, outcomes, sending

    outbox.CLAIM_LEASE = outcomes.SENDING_LEASE = outbox.SENDING_LEASE = timedelta(seconds=seconds)
    sending.RENEW_SECONDS = seconds / 4


def break_claims() -> None:
    from delivery import outbox

    broken = outbox._DUE.replace("IN ('queued', 'claimed')", "IN ('queued', 'claimed', 'sending')")
    assert broken != outbox._DUE, "the control breaks nothing any more"
    outbox._DUE = broken


if __name__ == "__main__":
    django.setup()
    if os.environ.get("TORTURE_LEASE"):
        shorten(float(os.environ["TORTURE_LEASE"]))
    if os.environ.get("TORTURE_CONTROL"):
        break_claims()
    app.worker_main(["worker", "--concurrency", "1", "--loglevel", "ERROR", "--without-gossip", "--without-mingle"])
