"""What a mock vendor really has, and what it says that it has."""

from __future__ import annotations

import random
from collections import deque
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

import attrs

from ...domain.stock import Vendor
from ...domain.values import check_aware
from ...domain.vendor_sync import NEVER, Snapshot, StockReport
from .faults import Faults

# Reports of which one may be told again.
REMEMBERED = 20
NO_NUMBERS: tuple[object, ...] = ("many", True, [])


@attrs.frozen
class Row:
    """What a report says of a product. Faults may make anything of its quantity."""

    product_id: str
    name: str | None
    quantity: Any
    # The last of our allocations that it has counted; None: it learns of none.
    sequence: int | None


@attrs.frozen
class Sheet:
    """A report, as the vendor writes it."""

    vendor: Vendor
    as_of: datetime
    rows: tuple[Row, ...]


@attrs.define
class _Product:
    name: str | None
    # May be below 0, when others have bought what we sold.
    units: int
    # Of all that was ever allocated from it: how much the vendor knows of.
    learnt: int = 0


class Shelf:
    """One vendor's stock. Thread-safe."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.vendor = snapshot.vendor
        self._lock = Lock()
        # A product keeps its place and a new one comes last, so that pages do not shift.
        self._products = {
            report.product_id: _Product(report.name, report.quantity) for report in snapshot.reports
        }
        self._as_of = snapshot.as_of or NEVER
        # Whether it learns of our orders: then its reports are of the moment.
        self._live = False
        self._failing = False
        self._told: deque[Sheet] = deque(maxlen=REMEMBERED)
        self._random = random.Random()  # noqa: S311 - a simulation
        self.faults = Faults()

    def put(self, product_id: str, quantity: int, as_of: datetime) -> None:
        """From now on there are so many units, and all stock is of this moment."""
        check_aware(as_of, "as_of")
        StockReport(product_id=product_id, quantity=quantity)
        with self._lock:
            product = self._products.setdefault(product_id, _Product(product_id, 0))
            product.units = quantity
            self._as_of = as_of

    def change(self, product_id: str, change: int) -> None:
        """So many units more or fewer, but never below 0."""
        with self._lock:
            product = self._products[product_id]
            product.units = max(min(product.units, 0), product.units + change)

    def begin_learning(self) -> None:
        """From now on it learns of our orders, and reports what it has at the moment."""
        with self._lock:
            self._live = True

    def learn(self, product_id: str, sequence: int, quantity: int) -> bool:
        """Take the units of an allocation from the shelf, once; False if one before is missing."""
        with self._lock:
            product = self._products.setdefault(product_id, _Product(product_id, 0))
            if sequence <= product.learnt:
                return True
            if sequence - quantity != product.learnt:
                return False
            product.learnt = sequence
            product.units -= quantity
            return True

    def fail_once(self) -> None:
        """Its next request is answered 503."""
        with self._lock:
            self._failing = True

    def fails(self) -> bool:
        """Whether this request is to fail."""
        with self._lock:
            failing, self._failing = self._failing, False
        return failing

    def happens(self, share: float) -> bool:
        """Whether something happens now that happens in this share of all cases."""
        return share > 0 and self._random.random() < share

    def delay(self) -> float:
        """Seconds before an answer."""
        return self._random.uniform(0, self.faults.delay)

    def truth(self) -> dict[str, tuple[int, int]]:
        """By product, how many units there are, and how much it has learnt of."""
        with self._lock:
            return {key: (product.units, product.learnt) for key, product in self._products.items()}

    def look(self) -> Sheet:
        """What it has, as it is."""
        with self._lock:
            rows = tuple(
                Row(
                    product_id,
                    product.name,
                    max(0, product.units),
                    product.learnt if self._live else None,
                )
                for product_id, product in self._products.items()
            )
            as_of = datetime.now(UTC) if self._live else self._as_of
        return Sheet(self.vendor, as_of, rows)

    def tell(self) -> Sheet:
        """What it says that it has."""
        sheet, faults = self.look(), self.faults
        off = self._random.uniform(-faults.clock, faults.clock)
        sheet = attrs.evolve(sheet, as_of=sheet.as_of + timedelta(seconds=off))
        rows = [*sheet.rows]
        if rows and self.happens(faults.wrong_types):
            place = self._random.randrange(len(rows))
            wrong = self._random.choice(NO_NUMBERS)
            rows[place] = attrs.evolve(rows[place], quantity=wrong)
        if rows and self.happens(faults.duplicates):
            rows.append(self._random.choice(rows))
        if self.happens(faults.shuffled):
            self._random.shuffle(rows)
        sheet = attrs.evolve(sheet, rows=tuple(rows))
        with self._lock:
            if self._told and self.happens(faults.stale):
                return self._random.choice(self._told)
            self._told.append(sheet)
        return sheet
