"""A part of the service whose clock is wrong: `skewed.py worker|sync SECONDS`, until SIGTERM."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from threading import Event

from order_aggregator.bootstrap import bootstrap
from order_aggregator.entrypoints.runtime.logs import configure_logs
from order_aggregator.entrypoints.runtime.signals import stop_on_signals


class Skewed:
    """A clock that is off by so much, and jumps back and forth by a second."""

    def __init__(self, seconds: float) -> None:
        self._off = timedelta(seconds=seconds)

    def now(self) -> datetime:
        now = datetime.now(UTC)
        return now + self._off + timedelta(seconds=now.second % 2)


def main(part: str, seconds: str) -> None:
    stop: Event = stop_on_signals()
    configure_logs("info")
    container = bootstrap(clock=Skewed(float(seconds)))
    if part == "worker":
        container.worker(stop=stop).run()
        return
    [gateway] = container.vendor_gateways().all().values()
    while not stop.wait(0.2):
        container.sync_vendor()(gateway)


if __name__ == "__main__":
    main(*sys.argv[1:])
