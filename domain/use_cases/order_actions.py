"""What can be done with an order that was placed."""

from __future__ import annotations

import attrs

from .cancel_orders import CancelOrders
from .hold_actions import HoldActions
from .order_holds import OrderHolds
from .return_orders import ReturnOrders
from .separate_orders import RequeueIndividually


@attrs.frozen(kw_only=True)
class OrderActions:
    """The use cases about orders that were placed."""

    cancel: CancelOrders
    hold: HoldActions
    order_holds: OrderHolds
    give_back: ReturnOrders
    announce_again: RequeueIndividually
