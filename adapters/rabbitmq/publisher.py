"""Sends messages, all at once, and waits for the broker to confirm them."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event, Lock
from typing import NamedTuple
from uuid import uuid4

from pika import BasicProperties, DeliveryMode
from pika.connection import Parameters
from pika.exceptions import AMQPChannelError
from pika.frame import Method
from pika.spec import Basic

from ...domain.errors import BrokerUnavailable
from ..system.log import Log
from .link import Declare, ReconnectingConnection
from .session import Callback, Session

log = Log()

# Seconds to wait for a connection, and for the confirmations.
CONNECT_TIMEOUT = 2.0
CONFIRM_TIMEOUT = 10.0


def new_properties() -> BasicProperties:
    """Of a message; its id is what it is known by once it is parked."""
    return BasicProperties(
        content_type="application/json",
        delivery_mode=DeliveryMode.Persistent,
        message_id=uuid4().hex,
    )


class Message(NamedTuple):
    """What is published, and under which routing key."""

    routing_key: str
    body: bytes
    properties: BasicProperties


class Publisher:
    """Publishes to one exchange. Thread-safe; connects on first use."""

    def __init__(
        self,
        parameters: Parameters,
        declare: Declare,
        purpose: str,
        *,
        exchange: str = "",
        mandatory: bool = True,
    ) -> None:
        """`mandatory`: a message that no queue takes is an error."""
        self._link = ReconnectingConnection(
            parameters,
            declare,
            purpose,
            lambda session: _ConfirmTracker(session, exchange, mandatory=mandatory),
        )
        self._lock = Lock()
        self._refusing = False

    def publish(self, messages: Sequence[Message]) -> list[bool]:
        """True for each message that the broker has confirmed in time. Raises BrokerUnavailable."""
        if not messages:
            return []
        outgoing = self._connected()
        batch = _Batch(messages)
        session = outgoing.session
        if session.call(lambda: outgoing.send(batch)) and not batch.done.wait(CONFIRM_TIMEOUT):
            session.call(outgoing.give_up)
        if batch.refused:
            # RabbitMQ 3.10 goes on refusing on a channel after the queue has room again.
            self._link.renew(session)
        self._note_refusal(refused=batch.refused, accepted=all(batch.confirmed))
        if not batch.sent:
            raise BrokerUnavailable("the connection was lost")
        return list(batch.confirmed)

    def _note_refusal(self, *, refused: bool, accepted: bool) -> None:
        """Log once that the broker refuses messages, and once that it does not any more."""
        with self._lock:
            if refused and not self._refusing:
                self._refusing = True
                log.warning("broker.refuses", reason="the queue is full")
            elif accepted and self._refusing:
                self._refusing = False
                log.info("broker.accepts")

    def ping(self) -> None:
        """Return if the broker is connected and takes messages; else BrokerUnavailable."""
        self._connected()

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def _connected(self) -> _ConfirmTracker:
        self._link.start()
        outgoing = self._link.usable(CONNECT_TIMEOUT)
        if outgoing.blocked:
            raise BrokerUnavailable(f"the broker takes no messages: {outgoing.blocked}")
        return outgoing


class _Batch:
    """The messages of one call, and what is known of them."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        self.confirmed = [False] * len(messages)
        self.waiting = len(messages)
        self.sent = False
        # Whether the broker refused one of them.
        self.refused = False
        # Set once nothing more will become known.
        self.done = Event()

    def settle(self, index: int, confirmed: bool) -> None:
        """Take down the broker's answer to one message."""
        self.confirmed[index] = confirmed
        self.refused = self.refused or not confirmed
        self.waiting -= 1
        if not self.waiting:
            self.done.set()


class _ConfirmTracker:
    """What was sent in one session and is not confirmed yet."""

    def __init__(self, session: Session, exchange: str, *, mandatory: bool) -> None:
        self.session = session
        # Why the broker takes no messages at the moment, if so.
        self.blocked = ""
        self._exchange = exchange
        self._mandatory = mandatory
        self._last_tag = 0
        # By delivery tag, in ascending order.
        self._unconfirmed: dict[int, tuple[_Batch, int]] = {}

    def begin(self, ready: Callback) -> None:
        """Ask for confirmations."""
        connection, channel = self.session.connection, self.session.channel
        connection.add_on_connection_blocked_callback(
            lambda _, frame: self._block(frame.method.reason)
        )
        connection.add_on_connection_unblocked_callback(lambda *_: self._unblock())
        channel.add_on_return_callback(lambda *_: self._returned())
        channel.confirm_delivery(self._answered, callback=lambda _frame: ready())

    def send(self, batch: _Batch) -> None:
        """Publish all of the batch, without waiting for the answers."""
        if not self.session.is_open:
            batch.done.set()
            return
        batch.sent = True
        publish, unconfirmed = self.session.channel.basic_publish, self._unconfirmed
        exchange, mandatory = self._exchange, self._mandatory
        for index, (routing_key, body, properties) in enumerate(batch.messages):
            self._last_tag += 1
            unconfirmed[self._last_tag] = batch, index
            publish(exchange, routing_key, body, properties, mandatory=mandatory)

    def give_up(self) -> None:
        """Start afresh, as the broker is silent: or else what it owes us would pile up."""
        if not self.blocked:
            self.session.fail(TimeoutError("the broker does not confirm"))

    def finish(self) -> None:
        """There is nothing to do: who waits for confirmations has not been told that they came."""

    def lost(self) -> None:
        """Nobody will answer any more."""
        for batch, _index in self._unconfirmed.values():
            batch.done.set()
        self._unconfirmed.clear()

    def _answered(self, frame: Method[Basic.Ack | Basic.Nack]) -> None:
        answer = frame.method
        confirmed = isinstance(answer, Basic.Ack)
        for tag in self._tags(answer.delivery_tag, answer.multiple):
            batch, index = self._unconfirmed.pop(tag)
            batch.settle(index, confirmed)

    def _tags(self, tag: int, multiple: bool) -> list[int]:
        if not multiple:
            return [tag] if tag in self._unconfirmed else []
        tags = []
        for unconfirmed in self._unconfirmed:
            if unconfirmed > tag:
                break
            tags.append(unconfirmed)
        return tags

    def _returned(self) -> None:
        # The queue is gone. A return comes before the confirmation of its message, but does not
        # say which one it is: so none of those that are open shall be. A new session declares it.
        self.lost()
        self.session.fail(AMQPChannelError("a message was returned: there is no queue"))

    def _block(self, reason: str) -> None:
        self.blocked = reason or "blocked"
        log.warning("broker.blocked", reason=reason)

    def _unblock(self) -> None:
        self.blocked = ""
        log.info("broker.run_in_thread")
