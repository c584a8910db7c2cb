"""An order in a transaction of one's own: both are there, or neither."""

from __future__ import annotations

import tempfile
from functools import partial

from uuid_utils.compat import uuid7

from order_aggregator import OrderLine, PlaceOrder, PlaceOrders
from order_aggregator.adapters.sql import SqlStorage, create_engine
from order_aggregator.adapters.system.settings import Settings
from order_aggregator.bootstrap import bootstrap


def main() -> None:
    """Check out a cart: its row goes when its order comes."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/shop.db"
        container = bootstrap(Settings(database_url=url))
        container.migrate()
        for gateway in container.seed_gateways().values():
            container.sync_vendor()(gateway)
        engine = create_engine(url)
        storage = SqlStorage(engine)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE carts (product_id TEXT, quantity INTEGER)")
            connection.exec_driver_sql("INSERT INTO carts VALUES ('sku-espresso-beans', 2)")

        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # Only SQLite needs to be told.
            product_id, quantity = connection.exec_driver_sql("SELECT * FROM carts").one()
            connection.exec_driver_sql("DELETE FROM carts")
            place_orders = PlaceOrders(partial(storage.unit_of_work, connection), container.clock())
            line = OrderLine(product_id=product_id, quantity=quantity)
            place_orders([PlaceOrder(order_id=uuid7(), lines=(line,))])
            print("before the commit:", storage.read_model.orders(0, 1).total)
            connection.commit()
        print("after it:", storage.read_model.orders(0, 1).total, "of", product_id)
        engine.dispose()
        container.engine().dispose()


if __name__ == "__main__":
    main()
