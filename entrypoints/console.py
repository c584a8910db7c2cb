"""What the `order-aggregator` script calls."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, if what it needs is installed."""
    try:
        from .cli import main as run_command
    except ModuleNotFoundError as error:
        sys.exit(f"{error}: install the service with pip install 'order-aggregator[service]'")
    run_command()
