"""Whether the API of these settings is alive, by the exit status: for containers.

python -m order_aggregator.entrypoints.healthcheck
"""

from __future__ import annotations

import sys
from urllib.request import urlopen

from ..adapters.system.settings import InvalidSetting, read_settings
from .runtime.tls import own_address, own_trust

TIMEOUT = 3.0


def main() -> None:
    """Exit with status 1, and one line, unless it is."""
    try:
        settings = read_settings()
        address = f"{own_address(settings)}/healthz"
        urlopen(address, timeout=TIMEOUT, context=own_trust(settings)).close()  # noqa: S310 - http
    except (InvalidSetting, OSError) as error:
        sys.exit(f"not alive: {error}")


if __name__ == "__main__":
    main()
