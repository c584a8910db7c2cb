"""Place and fulfil orders with the core alone: no database, no broker, nothing but attrs."""

from datetime import UTC, datetime
from uuid import uuid4

from order_aggregator import (
    FulfilOrders,
    InsufficientStock,
    ManualClock,
    MemoryStorage,
    Order,
    OrderLine,
    PlaceOrder,
    PlaceOrders,
    Snapshot,
    StockReport,
    SyncVendor,
    Vendor,
    VendorTerms,
    highest_then_even,
)


class Shelf:
    """A vendor gateway of our own: whatever has a vendor, its terms and a fetch() is one."""

    terms = VendorTerms()

    def __init__(self, vendor_id: str, tea: int) -> None:
        self.vendor = Vendor(id=vendor_id, name=vendor_id.title())
        self.tea = tea

    def fetch(self) -> Snapshot:
        """What lies on the shelf."""
        return Snapshot(
            vendor=self.vendor,
            as_of=datetime(2026, 1, 1, tzinfo=UTC),
            stated=True,
            reports=(StockReport(product_id="tea", name="Green tea", quantity=self.tea),),
        )


def main() -> None:
    """Sync two vendors, sell more than one of them has, then more than there is."""
    storage, clock = MemoryStorage(), ManualClock()
    sync = SyncVendor(storage.unit_of_work, clock)
    place = PlaceOrders(storage.unit_of_work, clock)
    fulfil = FulfilOrders(storage.unit_of_work, clock, highest_then_even)
    for gateway in (Shelf("acme", tea=5), Shelf("globex", tea=4)):
        sync(gateway)

    wishes = [
        PlaceOrder(order_id=uuid4(), lines=(OrderLine(product_id="tea", quantity=quantity),))
        for quantity in (7, 3)
    ]
    for outcome in place(wishes):
        if isinstance(outcome, InsufficientStock):
            print("refused:", outcome)
        elif isinstance(outcome, Order):
            fulfilled = fulfil([outcome.id])[outcome.id]
            assert isinstance(fulfilled, Order)
            parts = [f"{part.quantity} from {part.vendor_id}" for part in fulfilled.allocations]
            print(fulfilled.status, "-", ", ".join(parts))

    [level] = storage.read_model.stock(offset=0, limit=1).items
    print("left:", level.available)
    assert not list(storage.ledger.discrepancies())


if __name__ == "__main__":
    main()
