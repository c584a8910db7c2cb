"""Logs: readable on a terminal, else one JSON object a line, or as is set; to standard error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TextIO, cast
from uuid import UUID

import structlog

from ...domain.batches import batches_of
from .tracing import trace_ids

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


def configure_logs(level: str, log_format: str | None = None) -> None:
    """Set up structlog, and send what libraries log by the standard library the same way."""
    number = getattr(logging, level.upper())
    chosen = log_format or ("console" if sys.stderr.isatty() else "json")
    # The one for people shows a traceback by itself.
    rendering = [_renderer(chosen)]
    if chosen != "console":
        rendering.insert(0, structlog.processors.format_exc_info)
    stream = cast("TextIO", _SafeStderr())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%S.%fZ", utc=True),
    ]
    structlog.configure(
        processors=[*shared, *rendering],
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
                *rendering,
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


def _add_trace(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    event.update(trace_ids())
    return event


def _renderer(log_format: str) -> structlog.typing.Processor:
    match log_format:
        case "console":
            return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        case "logfmt":
            return structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
        case _:
            return structlog.processors.JSONRenderer()
