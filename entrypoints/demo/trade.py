"""What else happens to the mock vendors: other customers buy there, and deliveries come."""

from __future__ import annotations

import random
from threading import Event, Thread

from ...adapters.system.log import Log
from .mock_vendors import MockVendors

log = Log()

# Seconds between two events, on average.
EVENT_EVERY = 3.0
# Of the events, those in which a server is overloaded for a moment.
FAULTS = 0.1
MOST_SOLD = 3
# Below so many units, a delivery may come.
LOW = 30
DELIVERY = (20, 60)


class Trade:
    """Makes things happen, in a thread, until it is stopped."""

    def __init__(
        self, vendors: MockVendors, *, every: float = EVENT_EVERY, plenty: int = LOW
    ) -> None:
        """`plenty`: from so many units on, others buy."""
        self._vendors = vendors
        self._plenty = plenty
        self._every = every
        self._stop = Event()
        self._random = random.Random()  # noqa: S311 - a simulation
        self._thread = Thread(target=self._run, name="trade", daemon=True)

    def start(self) -> None:
        """From now on something happens."""
        self._thread.start()

    def stop(self) -> None:
        """Nothing happens any more."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._random.expovariate(1 / self._every)):
            self._happen()

    def _happen(self) -> None:
        vendor_id = self._random.choice(list(self._vendors.urls))
        if self._random.random() < FAULTS:
            self._vendors.fail_once(vendor_id)
            log.info("demo.vendor_overloaded", vendor_id=vendor_id)
            return
        report = self._random.choice(self._vendors.stock(vendor_id))
        if report.quantity < LOW:
            change = self._random.randint(*DELIVERY)
        elif report.quantity < self._plenty:
            return
        else:
            change = -self._random.randint(1, MOST_SOLD)
        self._vendors.change_stock(vendor_id, report.product_id, change)
        event = "demo.delivered" if change > 0 else "demo.sold_elsewhere"
        log.info(event, vendor_id=vendor_id, product_id=report.product_id, quantity=abs(change))
