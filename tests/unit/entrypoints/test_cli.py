"""What the command line refuses before anything is started."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from order_aggregator.entrypoints.cli import cli


def assert_usage_error(command: str, expected: str) -> None:
    """The command is not even begun, and one line says what is wrong with its options."""
    refused = CliRunner().invoke(cli, command.split())
    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-1] == f"Error: {expected}"


@pytest.mark.parametrize("interval", ["nan", "inf", "1e300", "-1e300", "0", "86401", "1e-9", "1m"])
def test_an_interval_is_a_number_of_seconds_up_to_a_day(interval: str) -> None:
    expected = "Invalid value for '--every': must be a number of seconds above 0, up to 86400"
    assert_usage_error(f"sync --every {interval}", expected)


def test_a_vendor_is_synced_or_retired_but_not_both() -> None:
    expected = "--vendor and --retire each name the only vendor: give one of them"
    assert_usage_error("sync --vendor acme --retire bert", expected)
