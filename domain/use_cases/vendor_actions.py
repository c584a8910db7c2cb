"""What an operator, or a vendor itself, may do about vendors."""

from __future__ import annotations

import attrs

from .approve_report import ApproveReport
from .declare_vendors import DeclareVendors, EnableVendor
from .retire_vendor import RetireVendor
from .sync_once import SyncOnce
from .sync_vendor import SyncVendor
from .update_vendor_stock import UpdateVendorStock


@attrs.frozen(kw_only=True)
class VendorActions:
    """The use cases about vendors."""

    sync: SyncVendor
    sync_once: SyncOnce
    approve: ApproveReport
    retire: RetireVendor
    update_stock: UpdateVendorStock
    declare: DeclareVendors
    enable: EnableVendor
