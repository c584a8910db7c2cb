"""ProcessRegistry: what every adapter promises."""

from __future__ import annotations

from order_aggregator.testing.process_registry import *  # noqa: F403 - the suite
