"""The HTTP API on the in-memory adapters, called in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import attrs
import uuid_utils.compat
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from order_aggregator.adapters.vendors.directory import VendorGateways
from order_aggregator.domain.errors import VendorUnavailable
from order_aggregator.domain.ports.identity_provider import IdentityProvider
from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.use_cases.check_health import CheckHealth
from order_aggregator.domain.use_cases.keep_audit import RecordChange
from order_aggregator.domain.use_cases.place_orders import PlaceOrder
from order_aggregator.domain.vendor_sync import Snapshot, VendorTerms
from order_aggregator.entrypoints.api.app import close, create_app
from order_aggregator.entrypoints.api.gate import Gate
from order_aggregator.entrypoints.api.rate_limit import RateLimiter
from order_aggregator.entrypoints.api.scheduling import Scheduler, ThreadScheduler
from order_aggregator.entrypoints.api.services import ApiServices, Limits
from order_aggregator.entrypoints.dashboard import blueprint as dashboard
from order_aggregator.testing.shop import Feed, Shop, snapshot

PREFIX = "/v1/api"


@attrs.frozen
class DeadFeed:
    """A vendor gateway that never answers."""

    vendor: Vendor
    terms: VendorTerms = attrs.field(factory=VendorTerms)

    def fetch(self) -> Snapshot:
        raise VendorUnavailable(self.vendor.id, "connection refused")


class ApiUnderTest:
    """Two vendors, three products: BOLT 10 + 5, NUT 4, and an id with everything that hurts."""

    ODD_ID = "a/b//c ?#%41ü"

    def __init__(
        self,
        limits: Limits | None = None,
        scheduler: Scheduler | None = None,
        *,
        is_open: bool = True,
        identity_provider: IdentityProvider | None = None,
        rate_limiter: RateLimiter | None = None,
    ) -> None:
        self.shop = Shop()
        self.wakes = 0
        self.checks: dict[str, Callable[[], None]] = {"database": self.shop.storage.read_model.ping}
        self.gateways: dict[str, Feed | DeadFeed] = {}
        self.place_orders: Any = self.shop.place_orders
        self.stock("acme", {"BOLT": 10, "NUT": 4, self.ODD_ID: 7})
        self.stock("bits/co", {"BOLT": 5})
        self.gate = Gate(
            self.shop.token_actions,
            self.shop.clock,
            is_open=is_open,
            is_local=is_open,
            identity_provider=identity_provider,
        )
        self.check_health = CheckHealth(
            self.shop.storage, self.shop.bus, self.shop.clock, timedelta(minutes=5)
        )
        self.services = ApiServices(
            read_model=self.shop.storage.read_model,
            event_feed=self.shop.storage.event_feed,
            place_orders=self._place,
            order_actions=self.shop.order_actions,
            vendor_actions=self.shop.vendor_actions,
            set_product=self.shop.set_product,
            webhook_actions=self.shop.webhook_actions(),
            gate=self.gate,
            record_change=RecordChange(self.shop.storage.unit_of_work, self.shop.clock),
            audit_trail=self.shop.storage.audit_trail,
            check_health=self.check_health,
            gateways=VendorGateways(self.shop.storage.unit_of_work, lambda: self.gateways),
            dead_letter_actions=self.shop.dead_letter_actions,
            carry_out_once=self.shop.carry_out_once,
            queue_depth=self.shop.bus.depth,
            new_order_id=uuid_utils.compat.uuid7,
            readiness_checks=self.checks,
            wake_relay=self._wake,
            limits=limits or Limits(),
            scheduler=scheduler or ThreadScheduler(),
            rate_limiter=rate_limiter or RateLimiter(),
        )
        self.app = create_app(self.services, dashboard)
        self.client: FlaskClient = self.app.test_client()

    def close(self) -> None:
        close(self.app)

    def stock(self, vendor_id: str, quantities: Mapping[str, int]) -> None:
        """Give a vendor stock that is taken in, and a feed that says so."""
        self.shop.sync(vendor_id, quantities)
        self.gateways[vendor_id] = Feed(snapshot(vendor_id, quantities, self.shop.clock.now()))

    def get(self, path: str, **query: object) -> TestResponse:
        return self.client.get(PREFIX + path, query_string=query)

    def order(self, body: object, key: str | None = None) -> TestResponse:
        """Send an order; bytes go as they are."""
        headers = {} if key is None else {"Idempotency-Key": key}
        if isinstance(body, bytes):
            return self.client.post(
                PREFIX + "/order", data=body, headers=headers, content_type="application/json"
            )
        return self.client.post(PREFIX + "/order", json=body, headers=headers)

    def token(self, *scopes: str, **given: Any) -> str:
        """A new token."""
        _, text = self.shop.token_actions.create("test", scopes, **given)
        return text

    def order_count(self) -> int:
        return self.shop.storage.read_model.orders(0, 1).total

    def _place(self, commands: Sequence[PlaceOrder], *, recheck: bool = False) -> Any:
        return self.place_orders(commands, recheck=recheck)

    def _wake(self) -> None:
        self.wakes += 1
