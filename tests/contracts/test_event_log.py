"""EventLog and EventFeed: what every storage promises."""

from __future__ import annotations

from order_aggregator.testing.event_log import *  # noqa: F403 - the suite
