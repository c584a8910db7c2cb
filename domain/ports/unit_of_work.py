"""One transaction: stock, orders and messages change all together or not at all."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from .access_tokens import AccessTokens
from .audit_log import AuditLog
from .event_log import EventLog
from .idempotency_keys import IdempotencyKeys
from .order_repository import OrderRepository
from .outbox import Outbox
from .stock_repository import StockRepository
from .vendor_directory import VendorDirectory
from .webhooks import WebhookRepository


class UnitOfWork(Protocol):
    """One transaction: leaving it without `commit` undoes everything.

    Two units of work behave as if one ran after the other for all that they lock. Every call can
    raise StorageUnavailable, or Conflict when another unit of work got in the way. What is written
    may be sent with the next question or with the commit, so its errors come there at the latest;
    after any error nothing can be committed. Not to be shared by threads; the factory may be called
    from any.
    """

    @property
    def stock(self) -> StockRepository:
        """Stock, inside this transaction."""

    @property
    def orders(self) -> OrderRepository:
        """Orders, inside this transaction."""

    @property
    def outbox(self) -> Outbox:
        """The outbox, inside this transaction."""

    @property
    def events(self) -> EventLog:
        """What happens in this transaction."""

    @property
    def vendors(self) -> VendorDirectory:
        """Which vendors there are, inside this transaction."""

    @property
    def idempotency_keys(self) -> IdempotencyKeys:
        """Which requests were carried out, inside this transaction."""

    @property
    def webhooks(self) -> WebhookRepository:
        """Webhooks and their deliveries, inside this transaction."""

    @property
    def access_tokens(self) -> AccessTokens:
        """Who may call, inside this transaction."""

    @property
    def audit_log(self) -> AuditLog:
        """What was changed by whom, inside this transaction."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def commit(self) -> None:
        """Make everything durable. CommitOutcomeUnknown if the connection breaks meanwhile."""


UnitOfWorkFactory = Callable[[], UnitOfWork]
