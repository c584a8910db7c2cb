"""Publisher of events: what every adapter promises."""

from __future__ import annotations

from order_aggregator.testing.event_publisher import *  # noqa: F403 - the suite
