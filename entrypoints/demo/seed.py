"""Vendors to try the service with, packaged with it."""

from __future__ import annotations

import json
from datetime import datetime
from importlib.resources import files

import attrs

from ...domain.stock import Vendor
from ...domain.vendor_sync import Snapshot, StockReport, VendorTerms


def seed_snapshots() -> list[Snapshot]:
    """What each vendor has.

    Their `as_of` is fixed: all that is allocated later is subtracted from the same figures at every
    sync, so that what was sold does not come back.
    """
    seed = json.loads(files(__package__).joinpath("seed.json").read_text("utf-8"))
    return [
        Snapshot(
            vendor=Vendor(id=vendor["id"], name=vendor["name"]),
            as_of=datetime.fromisoformat(seed["as_of"]),
            stated=True,
            reports=tuple(StockReport(**product) for product in vendor["products"]),
        )
        for vendor in seed["vendors"]
    ]


@attrs.frozen(kw_only=True)
class SeedVendorGateway:
    """VendorGateway on packaged stock, without a network in between."""

    snapshot: Snapshot
    terms: VendorTerms = attrs.field(factory=VendorTerms)

    @property
    def vendor(self) -> Vendor:
        """Whose stock it is."""
        return self.snapshot.vendor

    def fetch(self) -> Snapshot:
        """The same every time."""
        return self.snapshot


def seed_vendor_gateways() -> list[SeedVendorGateway]:
    """One gateway for each seed vendor."""
    return [SeedVendorGateway(snapshot=snapshot) for snapshot in seed_snapshots()]
