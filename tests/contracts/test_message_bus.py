"""Message bus: what every adapter promises."""

from __future__ import annotations

from order_aggregator.testing.message_bus import *  # noqa: F403 - the suite
