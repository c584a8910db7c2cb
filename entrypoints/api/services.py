"""What the API needs from outside, and how its views find it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, cast
from uuid import UUID

import attrs
from flask import Flask, Request, current_app, request

from ...domain.ports.audit_log import AuditTrail
from ...domain.ports.event_log import EventFeed
from ...domain.ports.message_bus import QueueDepth
from ...domain.ports.read_model import ReadModel
from ...domain.ports.vendor_gateway import VendorGateway
from ...domain.use_cases.check_health import CheckHealth, Observed
from ...domain.use_cases.dead_letter_actions import DeadLetterActions
from ...domain.use_cases.idempotency import CarryOutOnce
from ...domain.use_cases.keep_audit import RecordChange
from ...domain.use_cases.order_actions import OrderActions
from ...domain.use_cases.set_product import SetProduct
from ...domain.use_cases.vendor_actions import VendorActions
from ...domain.use_cases.webhook_actions import WebhookActions
from .gate import Gate
from .order_batcher import OrderBatcher, PlaceBatch
from .rate_limit import RateLimiter
from .readiness import Readiness
from .scheduling import Scheduler, ThreadScheduler
from .stored_metrics import Source, StoredMetrics

EXTENSION = "order_aggregator"


@attrs.frozen(kw_only=True)
class Limits:
    """How much is accepted at once."""

    max_body_bytes: int = 1024 * 1024
    # Orders in one transaction.
    max_batch: int = 100
    # Requests in hand, orders and others each. More would only wait longer, not be served sooner.
    max_waiting: int = 500
    # Seconds that a caller waits for its order, and that we wait for the caller, whether it sends a
    # request or takes in an answer.
    timeout: float = 10.0


class Gateways(Protocol):
    """How each vendor is asked. Each call raises StorageUnavailable or Conflict."""

    def get(self, vendor_id: str) -> VendorGateway:
        """A vendor's, disabled or not; raises UnknownVendor."""

    def enabled(self) -> Mapping[str, VendorGateway]:
        """Of those that are synced, by vendor id."""


@attrs.frozen(kw_only=True)
class ApiServices:
    """Everything the API calls; none of it is called before the first request."""

    read_model: ReadModel
    event_feed: EventFeed
    place_orders: PlaceBatch
    order_actions: OrderActions
    vendor_actions: VendorActions
    set_product: SetProduct
    webhook_actions: WebhookActions
    gateways: Gateways
    dead_letter_actions: DeadLetterActions
    carry_out_once: CarryOutOnce
    # How much lies in the queue; raises Unavailable.
    queue_depth: Callable[[], QueueDepth]
    gate: Gate
    record_change: RecordChange
    audit_trail: AuditTrail
    check_health: CheckHealth
    # A new UUIDv7 each time.
    new_order_id: Callable[[], UUID]
    # By name; each returns, or raises Unavailable or NotWell.
    readiness_checks: Mapping[str, Callable[[], None]]
    # Told after each commit that accepted orders. Must not block.
    wake_relay: Callable[[], None]
    limits: Limits = attrs.field(factory=Limits)
    # How many proxies stand before the API, whose X-Forwarded headers are believed.
    trusted_proxies: int = 0
    rate_limiter: RateLimiter = attrs.field(factory=RateLimiter)
    # The sites whose scripts may ask from a browser; ["*"]: all.
    cors_origins: Sequence[str] = ()
    scheduler: Scheduler = attrs.field(factory=ThreadScheduler)


@attrs.frozen(kw_only=True)
class AppState:
    """An application's services, and what stands before them."""

    services: ApiServices
    batcher: OrderBatcher
    readiness: Readiness
    stored_metrics: StoredMetrics
    health: Source[Observed]


def app_state(app: Flask | None = None) -> AppState:
    """Of the application given, else of the one that answers the current request."""
    return cast(AppState, (app or current_app).extensions[EXTENSION])


def limits_of(app: Flask) -> Limits:
    """An application's limits; the usual ones for one that is not ours."""
    state = app.extensions.get(EXTENSION)
    return Limits() if state is None else cast(AppState, state).services.limits


def current_request() -> Request:
    """The request itself: each look through Flask's `request` costs as much as what it looks at."""
    return cast(Request, request._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001
