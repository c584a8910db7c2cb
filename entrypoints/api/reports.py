"""Tells of what was decided: the relay, the metrics and the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import attrs

from ...adapters.system.log import Log
from ...domain.errors import (
    IdempotencyKeyReused,
    InsufficientStock,
    OrderTooLarge,
    TooManyOpenOrders,
    UnknownProducts,
)
from ...domain.order import Order
from ..monitoring.sampling import Totals, buckets_of, counted
from . import metrics
from .order_batcher import Decision
from .routing import PREFIX

log = Log()

ACCEPTED = "accepted"
# The answer was an earlier order with the same idempotency key.
REPEATED = "repeated"
REFUSALS = {
    InsufficientStock: "insufficient_stock",
    UnknownProducts: "unknown_product",
    OrderTooLarge: "order_too_large",
    TooManyOpenOrders: "too_many_open_orders",
    IdempotencyKeyReused: "idempotency_key_reused",
}


@attrs.frozen(kw_only=True)
class Report:
    """Called after each batch. `wake_relay` must not block."""

    wake_relay: Callable[[], None]

    def __call__(self, decisions: Sequence[Decision], waiting: int) -> None:
        """Pass on what was decided, and how many orders wait for the next batch."""
        metrics.WAITING.set(waiting)
        if not decisions:
            return
        kinds: Counter[str] = Counter()
        accepted: list[Decision] = []
        refused: list[dict[str, str]] = []
        for decision in decisions:
            kind = _kind(decision)
            kinds[kind] += 1
            if kind is ACCEPTED:
                accepted.append(decision)
            elif kind is not REPEATED:
                refused.append({"request_id": decision.request_id, "reason": kind})
        if accepted:
            self.wake_relay()
            log.info(
                "orders.accepted",
                order_ids=[str(each.command.order_id) for each in accepted],
                request_ids=[each.request_id for each in accepted],
                placed_by=[each.owner for each in accepted],
            )
        if refused:
            log.info("orders.refused", refusals=refused)
        metrics.BATCH_SIZE.observe(len(decisions))
        for kind, count in kinds.items():
            metrics.ORDERS.labels(kind).inc(count)


def _kind(decision: Decision) -> str:
    command, outcome, *_ = decision
    if isinstance(outcome, Order):
        return ACCEPTED if outcome.id == command.order_id else REPEATED
    return REFUSALS.get(type(outcome), "refused")


def totals() -> Totals:
    """Orders accepted and refused by this process, and how long it took to answer."""
    outcomes = {outcome: count for (outcome,), count in counted(metrics.ORDERS).items()}
    accepted = outcomes.pop(ACCEPTED, 0)
    outcomes.pop(REPEATED, None)
    seconds = buckets_of(metrics.SECONDS, method="POST", route=f"{PREFIX}/order")
    return Totals(done=accepted, refused=sum(outcomes.values()), seconds=seconds)
