"""Unit of work: what every adapter promises."""

from __future__ import annotations

from order_aggregator.testing.unit_of_work import *  # noqa: F403 - the suite
