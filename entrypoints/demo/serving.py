"""The mock vendors, as the settings have them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ...adapters.system.settings import Settings
from ..runtime.tls import own_trust
from .learning import Learning
from .mock_vendors import MockVendors
from .trade import Trade

PREFIX = "/v1/api"


@contextmanager
def mock_vendors(
    settings: Settings,
    host: str | None = None,
    api: str | None = None,
    token: str | None = None,
) -> Iterator[MockVendors]:
    """Serve them, on `host` instead of that of the settings if it is given. CannotListen.

    They learn of our orders at the address of the settings, else at `api` if they are lively; they
    call with the token of the settings, else with `token`, and trust the certificate of the
    settings, if there is one. InvalidSetting.
    """
    with ExitStack() as stack:
        vendors = stack.enter_context(
            MockVendors(host or settings.mock_vendors_host, settings.mock_vendors_port)
        )
        learns_at = settings.mock_vendors_api or (api if settings.mock_vendors_lively else None)
        if learns_at is not None:
            learning = Learning(
                vendors,
                learns_at.rstrip("/") + PREFIX,
                settings.mock_vendors_token or token,
                own_trust(settings),
            )
            learning.start()
            stack.callback(learning.stop)
        if settings.mock_vendors_lively:
            trade = Trade(vendors)
            trade.start()
            stack.callback(trade.stop)
        yield vendors
