"""Places batches of orders, and tells of what was accepted: relay, metrics, log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import attrs
import structlog

from ...domain.errors import IdempotencyKeyReused, InsufficientStock, OrderRefused, UnknownProducts
from ...domain.order import Order
from ...domain.use_cases.place_orders import PlaceOrder
from . import metrics
from .combiner import PlaceBatch

log = structlog.get_logger()

REFUSALS = {
    InsufficientStock: "insufficient_stock",
    UnknownProducts: "unknown_product",
    IdempotencyKeyReused: "idempotency_key_reused",
}


@attrs.frozen(kw_only=True)
class Intake:
    """The use case `place`, and what has to follow a commit. `wake_relay` must not block."""

    place: PlaceBatch
    wake_relay: Callable[[], None]

    def __call__(
        self, commands: Sequence[PlaceOrder], *, again: bool = False
    ) -> list[Order | OrderRefused]:
        """Place the batch; see `PlaceOrders`."""
        outcomes = self.place(commands, again=again)
        kinds = [_kind(c, outcome) for c, outcome in zip(commands, outcomes, strict=True)]
        pairs = zip(commands, kinds, strict=True)
        accepted = [str(command.order_id) for command, kind in pairs if kind == "accepted"]
        if accepted:
            self.wake_relay()
            log.info("orders.accepted", order_ids=accepted)
        if len(accepted) < len(commands):
            log.debug("orders.not_accepted", kinds=dict(Counter(kinds)))
        for kind, count in Counter(kinds).items():
            metrics.ORDERS.labels(kind).inc(count)
        return outcomes


def _kind(command: PlaceOrder, outcome: Order | OrderRefused) -> str:
    if isinstance(outcome, Order):
        return "accepted" if outcome.id == command.order_id else "repeated"
    return REFUSALS.get(type(outcome), "refused")
