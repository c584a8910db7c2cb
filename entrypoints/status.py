"""How everything is, on one screen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import attrs

from ..domain.order import OrderStatus
from ..domain.ports.process_registry import Process
from ..domain.use_cases.check_health import Finding, Observed
from ..domain.values import timestamp_text
from .runtime.tables import aligned

MINUTE = 60
HOUR = 3600
DAY = 86_400


def screen(observed: Observed, found: Sequence[Finding]) -> Iterator[str]:
    """For people; what is wrong comes last, where it is seen."""
    yield from _processes(observed)
    yield from _work(observed)
    yield from _vendors(observed)
    yield from _told(observed)
    yield ""
    for finding in found:
        yield f"! {finding}"
    if not found:
        yield "everything is well"


def as_json(observed: Observed, found: Sequence[Finding]) -> str:
    """For programs: all that was looked at, in an object."""
    processes = [
        attrs.asdict(each) | {"alive": observed.is_alive(each)} for each in observed.processes
    ]
    oldest = [
        {"order_id": key, "attempts": each.attempts, "waits_for": each.waits_for}
        for key, each in observed.oldest.items()
    ]
    vendors = [attrs.asdict(each) | {"breaker": each.breaker} for each in observed.vendors]
    webhooks = [
        {
            "id": each.webhook.id,
            "url": each.webhook.url,
            "enabled": each.webhook.enabled,
            "waiting": each.waiting,
            "dead": each.dead,
        }
        for each in observed.webhooks
    ]
    whole = {
        "at": observed.now,
        "processes": processes,
        "workload": attrs.asdict(observed.workload),
        "oldest_reserved": oldest,
        "vendors": vendors,
        "webhooks": webhooks,
        "dead_letters": observed.dead_letters,
        "bus_problem": observed.bus_problem,
        "problems": [attrs.asdict(each) for each in found],
    }
    return json.dumps(whole, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> str:
    return timestamp_text(value) if isinstance(value, datetime) else str(value)


def _processes(observed: Observed) -> Iterator[str]:
    if not observed.processes:
        yield "no processes"
        return
    heading = ("PROCESS", "STATE", "SINCE", "HOST", "PID", "VERSION")
    rows = [_process(observed, each) for each in observed.processes]
    yield from aligned([heading, *rows])


def _process(observed: Observed, each: Process) -> tuple[str, ...]:
    alive = observed.is_alive(each)
    since = each.started_at if alive else each.last_seen
    state = "alive" if alive else "gone"
    return (each.kind, state, _age(observed, since), each.host, str(each.pid), each.version)


def _work(observed: Observed) -> Iterator[str]:
    load = observed.workload
    yield ""
    yield (
        f"orders     {load.untried.count} wait{_since(observed, load.untried.since)},"
        f" {load.retried} are tried again, {load.orders[OrderStatus.HELD].count} are held,"
        f" {load.orders[OrderStatus.BACKORDERED].count} wait for stock"
    )
    yield f"messages   {load.outbox.count} wait{_since(observed, load.outbox.since)}"
    yield f"           {observed.dead_letters} were given up"
    for order_id, progress in observed.retried().items():
        yield f"  {order_id} waits for {progress.waits_for}"


def _vendors(observed: Observed) -> Iterator[str]:
    here = [each for each in observed.vendors if not each.retired]
    quarantined = sum(each.quarantined_at is not None for each in here)
    yield (
        f"vendors    {len(here)}, {sum(each.stale for each in here)} stale, {quarantined} wait for"
        f" approval, {sum(each.failures > 0 for each in here)} fail,"
        f" {sum(each.rejected for each in here)} rows rejected"
    )
    heard = [each.reported_at for each in here if each.reported_at is not None]
    if heard:
        yield f"           the oldest report is {_age(observed, min(heard))} old"


def _told(observed: Observed) -> Iterator[str]:
    waiting = sum(each.waiting for each in observed.webhooks)
    dead = sum(each.dead for each in observed.webhooks)
    yield f"webhooks   {len(observed.webhooks)}, {waiting} deliveries wait, {dead} are dead"


def _since(observed: Observed, moment: datetime | None) -> str:
    return "" if moment is None else f", the oldest for {_age(observed, moment)}"


def _age(observed: Observed, moment: datetime) -> str:
    return age(observed.now, moment)


def age(now: datetime, moment: datetime) -> str:
    """How long ago a moment was, in the largest unit that it fills."""
    seconds = max(0, int((now - moment).total_seconds()))
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
