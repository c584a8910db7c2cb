"""How the mock vendors learn of our orders: from the API, as a vendor's own program would."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ssl import SSLContext
from threading import Event, Thread
from typing import Any

import httpx

from ...adapters.system.log import Log
from .mock_vendors import MockVendors

log = Log()

LOOK_EVERY = 0.5
PAGE_SIZE = 100
# Orders change by the clocks of several processes, and are seen when they are committed.
OVERLAP = timedelta(minutes=2)


class Learning:
    """Asks for each vendor's orders, again and again, in a thread."""

    def __init__(
        self,
        vendors: MockVendors,
        api: str,
        token: str | None = None,
        trust: SSLContext | None = None,
    ) -> None:
        """`api` is its address with the prefix, `token` what it asks for.

        `trust`: what knows its certificate, if it has one of its own.
        """
        self._vendors = vendors
        self._client = httpx.Client(base_url=api, timeout=10, trust_env=False, verify=trust or True)
        if token is not None:
            self._client.headers["Authorization"] = f"Bearer {token}"
        self._seen_to: dict[str, datetime] = {}
        self._stop = Event()
        self._thread = Thread(target=self._run, name="learning", daemon=True)

    def start(self) -> None:
        """From now on they learn."""
        for vendor_id in self._vendors.urls:
            self._vendors.shelf(vendor_id).begin_learning()
        self._thread.start()

    def stop(self) -> None:
        """They learn nothing more."""
        self._stop.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY):
            for vendor_id in self._vendors.urls:
                try:
                    self._learn(vendor_id)
                except (httpx.HTTPError, ValueError) as error:
                    log.debug("demo.not_learnt", vendor_id=vendor_id, reason=str(error))

    def _learn(self, vendor_id: str) -> None:
        shelf = self._vendors.shelf(vendor_id)
        due = datetime.now(UTC) - timedelta(seconds=shelf.faults.learns_after)
        since = self._seen_to.get(vendor_id)
        allocations = []
        for order in self._orders(vendor_id, since):
            if datetime.fromisoformat(order["updated_at"]) <= due:
                allocations += list(_allocations(order, vendor_id))
        allocations.sort()
        complete = [shelf.learn(product_id, *rest) for product_id, *rest in allocations]
        # Where one is missing, all are asked for again.
        self._seen_to[vendor_id] = due - OVERLAP
        if not all(complete):
            del self._seen_to[vendor_id]

    def _orders(self, vendor_id: str, since: datetime | None) -> Iterator[dict[str, Any]]:
        query = {"vendor_id": vendor_id, "page_size": str(PAGE_SIZE)}
        if since is not None:
            query["updated_since"] = since.isoformat()
        while True:
            answer = self._client.get("/order", params=query).raise_for_status()
            yield from answer.json()
            if "X-Next-Cursor" not in answer.headers:
                return
            query["cursor"] = answer.headers["X-Next-Cursor"]


def _allocations(order: dict[str, Any], vendor_id: str) -> Iterator[tuple[str, int, int]]:
    for line in order["lines"]:
        for part in line["allocations"]:
            if part["vendor_id"] == vendor_id:
                yield line["product_id"], part["sequence"], part["quantity"]
