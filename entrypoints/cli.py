"""The command line: `order-aggregator <command>`."""

from __future__ import annotations

from .commands import (
    database,
    messages,
    operations,
    orders,
    service,
    stock,
    tokens,
    vendors,
    webhooks,
)
from .commands.base import cli

__all__ = ["cli", "main"]
# What registers its commands by being imported.
_MODULES = (
    database,
    messages,
    operations,
    orders,
    service,
    stock,
    tokens,
    vendors,
    webhooks,
)


def main() -> None:
    """The console script."""
    cli(prog_name="order-aggregator")


if __name__ == "__main__":
    main()
