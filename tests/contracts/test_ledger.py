"""Ledger: what every adapter promises."""

from __future__ import annotations

from order_aggregator.testing.ledger import *  # noqa: F403 - the suite
