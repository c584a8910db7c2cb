"""A vendor whose feed no setting describes: a file of fixed columns, read by a class of one's own.

Needs nothing but the core. An installed package names it as an entry point, and the vendors file
then has entries of that type:

    [project.entry-points."order_aggregator.vendors"]
    fixed = "my_package:fixed_columns"

    {"type": "fixed", "id": "acme", "name": "Acme", "path": "stock.txt"}
"""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from order_aggregator import (
    InvalidSnapshot,
    ManualClock,
    MemoryStorage,
    Snapshot,
    StockReport,
    SyncVendor,
    Vendor,
    VendorTerms,
    VendorUnavailable,
)


class FixedColumns:
    """The code in the first 12 columns, the quantity in the next 6."""

    def __init__(self, vendor: Vendor, path: Path) -> None:
        self.vendor = vendor
        self.path = path
        self.terms = VendorTerms()

    def fetch(self) -> Snapshot:
        """The whole file, or an error."""
        try:
            changed = self.path.stat().st_mtime
            lines = self.path.read_text().splitlines()
        except OSError as error:
            raise VendorUnavailable(self.vendor.id, str(error)) from error
        try:
            reports = [
                StockReport(product_id=line[:12].strip(), quantity=int(line[12:18]))
                for line in lines
            ]
        except ValueError as error:
            raise InvalidSnapshot(self.vendor.id, str(error)) from error
        as_of = datetime.fromtimestamp(changed, UTC)
        return Snapshot(vendor=self.vendor, as_of=as_of, reports=tuple(reports))


def fixed_columns(entry: dict[str, Any], folder: Path) -> FixedColumns:
    """What the entry point names: called with the entry and the folder of the vendors file."""
    vendor = Vendor(id=entry["id"], name=entry["name"])
    return FixedColumns(vendor, folder / entry["path"])


def main() -> None:
    """Sync such a vendor, and show what there is."""
    storage = MemoryStorage()
    sync = SyncVendor(storage.unit_of_work, ManualClock(datetime.now(UTC)))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "stock.txt").write_text("4973148          0\n5110001        142\n")
        entry = {"type": "fixed", "id": "acme", "name": "Acme", "path": "stock.txt"}
        sync(fixed_columns(entry, Path(folder)))
    for level in storage.read_model.stock(offset=0, limit=10).items:
        print(f"{level.product_id}: {level.available}")


if __name__ == "__main__":
    main()
