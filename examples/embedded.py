"""The whole service inside another program, with a vendor gateway of that program's own.

Needs the `service` extra. Everything it writes lies in a temporary folder.
"""

import tempfile
from datetime import UTC, datetime
from threading import Event, Thread
from time import sleep

from order_aggregator import Snapshot, StockReport, Vendor, VendorTerms
from order_aggregator.adapters.system.settings import Settings
from order_aggregator.bootstrap import bootstrap
from order_aggregator.entrypoints.runtime.logs import configure_logs


class Warehouse:
    """Our own adapter for the vendor gateway port: it asks the program's own stock list."""

    vendor = Vendor(id="warehouse", name="Our warehouse")
    # Whatever we allocated after the list was counted is subtracted from it.
    terms = VendorTerms()

    def __init__(self, stock: dict[str, int]) -> None:
        self.stock = stock
        self.counted_at = datetime(2026, 1, 1, tzinfo=UTC)

    def fetch(self) -> Snapshot:
        """The stock list, as it was when it was last counted."""
        return Snapshot(
            vendor=self.vendor,
            as_of=self.counted_at,
            stated=True,
            reports=tuple(
                StockReport(product_id=product_id, name=product_id, quantity=quantity)
                for product_id, quantity in self.stock.items()
            ),
        )


def main() -> None:
    """Start API and worker in this process, and buy something over HTTP."""
    configure_logs("warning")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(database_url=f"sqlite:///{folder}/orders.db")
        warehouse = Warehouse({"tea": 10, "cup": 3})
        container = bootstrap(settings, gateways={"warehouse": warehouse})
        container.migrate()

        stop = Event()
        worker = Thread(target=container.worker(stop=stop).run)
        worker.start()
        with container.api() as app:
            client = app.test_client()
            client.post("/v1/api/sync")
            order = client.post(
                "/v1/api/order", json={"product_id": "tea", "quantity": 4}
            ).get_json()
            while order["status"] == "reserved":
                sleep(0.02)
                order = client.get(f"/v1/api/order/{order['id']}").get_json()
            print(order["status"], order["lines"])
            print(client.get("/v1/api/stock?product_id=tea").get_json()[0]["available"], "left")
        stop.set()
        worker.join()
        container.engine().dispose()


if __name__ == "__main__":
    main()
