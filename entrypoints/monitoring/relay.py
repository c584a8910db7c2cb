"""What a relay tells Prometheus, and what goes on beside it."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

SENT = Counter("order_relay_sent_messages", "Messages that the broker has confirmed.")
UNCONFIRMED = Counter(
    "order_relay_unconfirmed_messages", "Messages that the broker did not confirm; sent again."
)
BATCH_SIZE = Histogram(
    "order_relay_batch_size",
    "Messages sent and confirmed together.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
)
RESENT = Counter("order_relay_resent_orders", "Orders announced again, as nobody fulfilled them.")
EXPIRED = Counter("order_relay_expired_holds", "Holds that have expired.")
FILLED = Counter("order_relay_filled_backorders", "Orders that got the stock they waited for.")
WAITS = Counter(
    "order_relay_waits", "Rounds broken off because the database or the broker was away."
)
EVENTS = Counter("order_events_published", "Events published on the exchange.")
DELIVERIES = Counter(
    "order_webhook_deliveries",
    "Attempts to deliver to a webhook; dead: the last of one that is given up.",
    labelnames=("outcome",),
)
DELIVERED, FAILED, DEAD = (DELIVERIES.labels(each) for each in ("delivered", "failed", "dead"))
