"""Where webhooks and their deliveries are kept, and how a delivery is sent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol

import attrs

from ..webhooks import Delivery, Message, Webhook
from .event_log import EventBatch
from .read_model import Page

# The event at this index of a batch, as it is sent; the same whenever it is asked for.
EventEncoder = Callable[[EventBatch, int], Message]


@attrs.frozen(kw_only=True)
class ClaimedDeliveries:
    """Some of a webhook's due deliveries, oldest first, and until when they are the claimer's."""

    webhook: Webhook
    deliveries: tuple[Delivery, ...]
    until: datetime


@attrs.frozen(kw_only=True)
class WebhookStatus:
    """A webhook, and how it is getting on."""

    webhook: Webhook
    # Deliveries.
    waiting: int
    dead: int
    # Why its last attempts failed; None: they did not.
    problem: str | None


class WebhookRepository(Protocol):
    """Webhooks and deliveries, inside a transaction. Unknown ids are passed over."""

    def add(self, webhook: Webhook) -> None:
        """Add a webhook with a new id."""

    def remove(self, webhook_id: str) -> bool:
        """Delete a webhook and its deliveries; False if it is unknown."""

    def enable(self, webhook_id: str, *, enabled: bool) -> None:
        """Send to a webhook, or not. What waits for one that is disabled stays."""

    def enabled(self) -> list[Webhook]:
        """Those that are told what happens, by id; none can be removed until the commit."""

    def add_deliveries(self, messages: Sequence[tuple[str, Message]], due_at: datetime) -> None:
        """Add messages, each with the id of its webhook; one that waits already is passed over."""

    def claim(
        self, webhooks: int, each: int, now: datetime, until: datetime, busy: Collection[str]
    ) -> list[ClaimedDeliveries]:
        """Up to `each` due deliveries of so many enabled webhooks, but not of those in `busy`.

        Nobody else can claim any of a webhook's until it is released, or before `until`: so they
        are sent in the order in which they were added, unless one fails.
        """

    def remove_deliveries(self, ids: Collection[int]) -> None:
        """Delete those that arrived."""

    def reschedule(self, deliveries: Sequence[Delivery]) -> None:
        """Replace attempts, due_at and problem."""

    def note_problem(self, webhook_id: str, problem: str | None) -> None:
        """Note why the last attempts failed, or that they did not."""

    def release(self, claimed: ClaimedDeliveries) -> None:
        """Give a claim up; nothing, if somebody else has it now."""

    def bury(self, webhook_id: str, problem: str) -> None:
        """Make dead all that wait for a webhook."""

    def replay(self, webhook_id: str, message_ids: Collection[str] | None, now: datetime) -> int:
        """Make dead deliveries due, as if never tried: these, or all. How many there were."""


class WebhookDirectory(Protocol):
    """What is committed about webhooks. Thread-safe; StorageUnavailable, Conflict."""

    def is_any_enabled(self) -> bool:
        """Whether anybody is to be told anything."""

    def is_any_due(self, now: datetime) -> bool:
        """Whether an enabled webhook has a delivery that is due."""

    def page(self, offset: int, limit: int) -> Page[WebhookStatus]:
        """Webhooks, by id."""

    def get(self, webhook_id: str) -> WebhookStatus | None:
        """One; None if it is unknown."""

    def dead(self, webhook_id: str, offset: int, limit: int) -> Page[Delivery]:
        """Its dead deliveries, oldest first."""


class DeliveryFailed(Exception):
    """A delivery did not arrive; `args` say why."""


class ListenerUnreachable(DeliveryFailed):
    """Nobody answered, so others would not arrive either at this moment."""


class ListenerGone(DeliveryFailed):
    """The listener wants to be told no more."""


class WebhookSender(Protocol):
    """Sends over the network. Thread-safe."""

    def send(self, delivery: Delivery, webhook: Webhook) -> None:
        """Return once the listener has taken it; else raise DeliveryFailed or a kind of it."""

    def interrupt(self) -> None:
        """Have calls that wait fail soon, and those that come at once."""

    def close(self) -> None:
        """Let go of what is held open, once nobody sends any more."""
