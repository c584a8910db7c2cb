"""The API inside somebody's Flask application, below a path of its choice."""

from __future__ import annotations

import tempfile

from flask import Flask

from order_aggregator.adapters.system.settings import Settings
from order_aggregator.bootstrap import bootstrap
from order_aggregator.entrypoints.api.app import mount


def main() -> None:
    """Ask both applications, and place an order."""
    shop = Flask("shop")

    @shop.get("/")
    def front_page() -> str:
        return "Welcome"

    with tempfile.TemporaryDirectory() as folder:
        container = bootstrap(Settings(database_url=f"sqlite:///{folder}/orders.db"))
        container.migrate()
        for gateway in container.seed_gateways().values():
            container.sync_vendor()(gateway)
        with container.api() as api:
            mount(api, shop, "/aggregator")
            client = shop.test_client()
            print(client.get("/").text)
            order = {"product_id": "sku-espresso-beans", "quantity": 1}
            placed = client.post("/aggregator/v1/api/order", json=order)
            print(placed.status_code, placed.headers["Location"].rpartition("/")[0])
        container.engine().dispose()


if __name__ == "__main__":
    main()
