"""The package's log: silent in a program of somebody's own, until that sets up logging."""

from __future__ import annotations

import logging
from typing import Any

import structlog

NAME = "order_aggregator"

logging.getLogger(NAME).addHandler(logging.NullHandler())
_UNCONFIGURED = structlog.wrap_logger(
    logging.getLogger(NAME),
    processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
    wrapper_class=structlog.stdlib.BoundLogger,
)


class Log:
    """structlog's logger where that is configured, as our commands do it; else the standard one's.

    structlog by itself would print everything.
    """

    def __getattr__(self, method: str) -> Any:
        if not structlog.is_configured():
            return getattr(_UNCONFIGURED, method)
        found = getattr(structlog.get_logger(), method)
        # From now on without a look at the configuration.
        self.__dict__[method] = found
        return found
