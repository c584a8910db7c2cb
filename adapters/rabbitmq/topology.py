"""What is on the broker: the queue of the workers, the one of parked messages, and the exchange."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pika.channel import Channel

# A backstop for messages that bring down their consumers; a worker gives up on its own far earlier.
DELIVERY_LIMIT = 20

PARKING_ARGUMENTS: Mapping[str, object] = {"x-queue-type": "quorum"}


def parking_queue(queue: str) -> str:
    """The name of the queue that keeps the parked messages of `queue`."""
    return f"{queue}.dead"


def declare_exchange(exchange: str, channel: Channel, done: Callable[[], None]) -> None:
    """Declare a durable topic exchange, then call `done`.

    The broker closes the channel if an exchange of that name is of another kind.
    """
    channel.exchange_declare(
        exchange, exchange_type="topic", durable=True, callback=lambda _frame: done()
    )


def declare(queue: str, channel: Channel, done: Callable[[], None]) -> None:
    """Declare both queues, then call `done`. Where they exist already, nothing changes.

    The broker closes the channel if a queue of that name exists with other arguments.
    """
    parking = parking_queue(queue)

    def declare_queue() -> None:
        _declare(channel, queue, queue_arguments(parking), done)

    _declare(channel, parking, PARKING_ARGUMENTS, declare_queue)


def queue_arguments(parking: str) -> Mapping[str, object]:
    """Of the workers' queue, which sends what nobody can handle to `parking`."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": "",
        # Not by the strategy `at-least-once`: on RabbitMQ 3.10, deleting such a queue just after a
        # restart left the whole broker unable to publish. No order hangs on a parked message.
        "x-dead-letter-routing-key": parking,
    }


def _declare(
    channel: Channel, queue: str, arguments: Mapping[str, object], done: Callable[[], None]
) -> None:
    channel.queue_declare(
        queue, durable=True, arguments=dict(arguments), callback=lambda _frame: done()
    )
