"""VendorDirectory: what every adapter promises."""

from __future__ import annotations

from order_aggregator.testing.vendor_directory import *  # noqa: F403 - the suite
