"""The arms by name: each measures one thing, checks what came of it, and gives figures by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import seeding
from baselines import echo, pgbench_fulfil, pgbench_order, pgbench_order_alone
from latency import latency
from market import EMBEDDED, HOT, UNIFORM, VENDORS_300, Bench, Figures, Market, large
from plan import Plan
from steps import STEPS, listeners, step, webhooks
from throughput import accept, accept_alone, drain, overload, path, sold_out

Arm = Callable[[Bench], Figures]

# What an arm has to know the peak of.
NEEDS = {
    "latency-hot": "path-uniform",
    "latency-uniform": "path-uniform",
    "overload": "accept-uniform",
}


def arms(plan: Plan) -> Mapping[str, Arm]:
    """In the order of the first round."""
    large_1000 = large(plan, seeding.PRODUCTS)
    found: dict[str, Arm] = {
        "pgbench-order-hot": partial(pgbench_order, products=1),
        "pgbench-order-uniform": partial(pgbench_order, products=seeding.PRODUCTS),
        "pgbench-fulfil-hot": partial(pgbench_fulfil, products=1),
        "pgbench-fulfil-uniform": partial(pgbench_fulfil, products=seeding.PRODUCTS),
        "pgbench-order-alone": pgbench_order_alone,
        "accept-alone": accept_alone,
        "echo": partial(echo, kind="echo"),
        "echo-own": partial(echo, kind="echo-own"),
        "sold-out": sold_out,
        "overload": overload,
    }
    markets: dict[str, Market] = {
        "hot": HOT,
        "uniform": UNIFORM,
        "embedded": EMBEDDED,
        "vendors-300": VENDORS_300,
        "large": large_1000,
    }
    for name, market in markets.items():
        found[f"accept-{name}"] = partial(accept, market=market)
        found[f"path-{name}"] = partial(path, market=market)
    for name, market in {"hot": HOT, "uniform": UNIFORM}.items():
        found[f"drain-{name}"] = partial(drain, market=market)
        found[f"latency-{name}"] = partial(latency, market=market, peak=NEEDS[f"latency-{name}"])
    for name, prepare in STEPS.items():
        found[name] = partial(step, prepare=prepare)
    found["events-heard"] = listeners
    found["webhooks-delivered"] = webhooks
    return found
