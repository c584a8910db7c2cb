"""The mock vendors, as the settings have them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...adapters.system.settings import Settings
from .mock_vendors import MockVendors
from .trade import Trade


@contextmanager
def mock_vendors(settings: Settings, host: str | None = None) -> Iterator[MockVendors]:
    """Serve them, on `host` instead of that of the settings if it is given. CannotListen."""
    with MockVendors(host or settings.mock_vendors_host, settings.mock_vendors_port) as vendors:
        if not settings.mock_vendors_lively:
            yield vendors
            return
        trade = Trade(vendors)
        trade.start()
        try:
            yield vendors
        finally:
            trade.stop()
