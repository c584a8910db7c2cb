"""A policy of one's own: in this program, and by its place for the `worker` command.

ALLOCATION_POLICY=own_policy:smallest_first order-aggregator worker
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from threading import Event, Thread
from time import sleep

from order_aggregator import Offer
from order_aggregator.adapters.system.settings import Settings
from order_aggregator.bootstrap import bootstrap


def smallest_first(quantity: int, offers: Sequence[Offer]) -> dict[str, int]:
    """Clears the shelves of those who have least. Units by vendor id."""
    plan: dict[str, int] = {}
    for offer in reversed(offers):
        plan[offer.vendor_id] = min(quantity, offer.available)
        quantity -= plan[offer.vendor_id]
    return {vendor_id: units for vendor_id, units in plan.items() if units}


def main() -> None:
    """Buy something of which three vendors have some."""
    with tempfile.TemporaryDirectory() as folder:
        container = bootstrap(
            Settings(database_url=f"sqlite:///{folder}/orders.db"), policy=smallest_first
        )
        container.migrate()
        for gateway in container.seed_gateways().values():
            container.sync_vendor()(gateway)

        stop = Event()
        worker = Thread(target=container.worker(stop=stop).run)
        worker.start()
        with container.api() as app:
            client = app.test_client()
            vendors = client.get("/v1/api/stock/sku-espresso-beans").get_json()["vendors"]
            print("before", {v["vendor_id"]: v["available"] for v in vendors})
            order = {"product_id": "sku-espresso-beans", "quantity": 3}
            placed = client.post("/v1/api/order", json=order)
            while (seen := client.get(placed.headers["Location"]).get_json())[
                "status"
            ] == "reserved":
                sleep(0.02)
            print(seen["status"], "by", seen["lines"][0]["allocations"])
        stop.set()
        worker.join()
        container.engine().dispose()


if __name__ == "__main__":
    main()
