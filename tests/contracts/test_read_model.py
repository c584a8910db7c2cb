"""Read model: what every adapter promises."""

from __future__ import annotations

from order_aggregator.testing.read_model import *  # noqa: F403 - the suite
