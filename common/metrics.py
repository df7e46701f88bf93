"""What this process tells Prometheus about itself: work done and work waiting, never about whom."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)

HIT_ANSWERS = Counter(
    "pli_hit_answers",
    "Pixels and redirects answered after the recorder had them: stored or found silent (yes), or still waiting (no).",
    ["acknowledged"],
    registry=REGISTRY,
)
HITS_STORED = Counter("pli_hits_stored", "Opens and clicks written to the database.", registry=REGISTRY)
HITS_DROPPED = Counter(
    "pli_hits_dropped",
    "Opens and clicks given up: no room in memory (full), refused by the database (refused), left over (shutdown).",
    ["reason"],
    registry=REGISTRY,
)
HITS_WAITING = Gauge("pli_hits_waiting", "Opens and clicks in memory, not yet in the database.", registry=REGISTRY)
HIT_BATCHES_RETRIED = Counter(
    "pli_hit_batches_retried", "Batches tried again because the database was away or refused.", registry=REGISTRY
)
HIT_BATCH_SIZE = Histogram(
    "pli_hit_batch_size",
    "Hits per statement.",
    buckets=(1, 4, 16, 64, 128, 256, 512, 1024, 2048),
    registry=REGISTRY,
)
HIT_COMMIT_SECONDS = Histogram(
    "pli_hit_commit_seconds",
    "How long one statement took, its commit included.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
    registry=REGISTRY,
)


def exposition() -> tuple[bytes, str]:
    """The metrics as text, and the content type of that text."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
