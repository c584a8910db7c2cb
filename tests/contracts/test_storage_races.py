"""Storage races: what every adapter promises."""

from __future__ import annotations

from order_aggregator.testing.storage_races import *  # noqa: F403 - the suite
