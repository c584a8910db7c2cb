"""What a program of somebody's own sees of the package's log."""

from __future__ import annotations

import subprocess
import sys

import pytest

WARN = (
    "from order_aggregator.adapters.system.log import Log\n"
    'Log().warning("stock.low", product="tea")'
)


@pytest.mark.parametrize(
    ("before", "printed"),
    [
        ("", ""),
        ("import logging; logging.basicConfig()", "WARNING:order_aggregator:stock.low\n"),
    ],
)
def test_nothing_is_logged_until_the_program_sets_up_logging(before: str, printed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{before}\n{WARN}"], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert done.stderr == printed


def test_where_structlog_is_configured_it_logs() -> None:
    configure = "from order_aggregator.entrypoints.runtime.logs import configure_logs"
    done = subprocess.run(
        [sys.executable, "-c", f"{configure}\nconfigure_logs('info')\n{WARN}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"event": "stock.low"' in done.stderr
    assert '"product": "tea"' in done.stderr
