"""Logs: readable on a terminal, one JSON object a line otherwise; to standard error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TextIO, cast
from uuid import UUID

import structlog

from ...domain.batches import batches_of

# Where logs are gathered, a line that is too long is cut off or lost.
ORDERS_IN_A_LINE = 200


class _SafeStderr:
    """Standard error, where a full disk or a reader that has gone must not stop the service."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


def configure_logs(level: str) -> None:
    """Set up structlog, and send what libraries log by the standard library the same way."""
    number = getattr(logging, level.upper())
    stream = cast("TextIO", _SafeStderr())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%S.%fZ", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, _renderer()]
        if not sys.stderr.isatty()
        else [*shared, _renderer()],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _renderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # pika logs each failed connection attempt with a traceback; the adapter says it in one line.
    logging.getLogger("pika").setLevel(logging.CRITICAL)


def log_orders(say: Callable[..., object], event: str, order_ids: Sequence[UUID | str]) -> None:
    """Name orders in as many lines of the log as that takes; none, if there are none."""
    for batch in batches_of(order_ids, ORDERS_IN_A_LINE):
        say(event, order_ids=list(map(str, batch)))


def _renderer() -> structlog.typing.Processor:
    if sys.stderr.isatty():
        return structlog.dev.ConsoleRenderer()
    return structlog.processors.JSONRenderer()
