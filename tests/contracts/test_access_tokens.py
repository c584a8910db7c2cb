"""AccessTokens: what every adapter promises."""

from __future__ import annotations

from order_aggregator.testing.access_tokens import *  # noqa: F403 - the suite
