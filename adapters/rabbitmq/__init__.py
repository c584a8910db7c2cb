"""RabbitMQ, by pika."""

from .message_bus import RabbitMessageBus

__all__ = ["RabbitMessageBus"]
