"""Holds and orders that wait: what every storage promises."""

from __future__ import annotations

from order_aggregator.testing.holds_and_backorders import *  # noqa: F403 - the suite
