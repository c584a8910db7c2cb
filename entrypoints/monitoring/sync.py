"""What a process that syncs vendors tells Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

SYNCS = Counter("order_syncs", "Syncs of a vendor, by outcome.", labelnames=("outcome",))
SYNCED, OUTDATED, QUARANTINED, FAILED = (
    SYNCS.labels(each) for each in ("synced", "outdated", "quarantined", "failed")
)
SECONDS = Histogram(
    "order_sync_seconds",
    "Time that a sync took, in seconds.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
CHANGED = Counter("order_sync_changed_products", "Products whose stock a sync has changed.")
REJECTED = Counter("order_sync_rejected_rows", "Rows of reports that were left out.")
