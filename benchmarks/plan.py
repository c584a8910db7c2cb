"""How much is measured."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Plan:
    """Sizes of one run."""

    rounds: int = 3
    # Of each measured load, and of the one before it that is not.
    seconds: int = 4
    warm_up: int = 3
    # Connections that order as soon as they are answered.
    clients: int = 64
    # Connections that saturate the whole path.
    path_clients: int = 256
    # What else is tried, to find the peak.
    more_clients: tuple[int, ...] = (16, 128, 256)
    # Parts of the peak at which latency is measured, besides a half.
    more_loads: tuple[float, ...] = (0.25, 0.75)
    # Connections that share the schedule when more is offered than can be served: more than the
    # processes have in hand, and few more, as their timers are wrk's work.
    overload_clients: int = 1_100
    drained_orders: int = 50_000
    stored_orders: int = 5_000_000
    stored_products: int = 1_000_000
    soak_seconds: int = 1_800
    soak_rate: int = 500


FULL = Plan()
QUICK = Plan(
    rounds=1,
    seconds=4,
    warm_up=1,
    # With fewer, the peak would be lower, and easier to compare with.
    more_clients=(256,),
    more_loads=(),
    drained_orders=20_000,
    stored_orders=200_000,
    stored_products=100_000,
)
QUICK_ARMS = (
    "pgbench-order-hot",
    "pgbench-order-uniform",
    "pgbench-fulfil-hot",
    "pgbench-fulfil-uniform",
    "echo",
    "accept-hot",
    "accept-uniform",
    "accept-embedded",
    "path-hot",
    "path-uniform",
    "path-embedded",
    "drain-hot",
    "drain-uniform",
    "sold-out",
    "overload",
    "latency-hot",
    "latency-uniform",
)
