"""WebhookRepository and WebhookDirectory: what every adapter promises."""

from __future__ import annotations

from order_aggregator.testing.webhooks import *  # noqa: F403 - the suite
