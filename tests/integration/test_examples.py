"""The examples run, and print what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_domain_alone() -> None:
    assert run("domain_only.py").splitlines() == [
        "fulfilled - 4 from acme, 3 from globex",
        "refused: tea: 3 requested, 2 available",
        "left: 2",
    ]


def test_the_service_in_another_program() -> None:
    printed = run("embedded.py")
    assert printed.startswith("fulfilled")
    assert printed.endswith("6 left\n")


def test_a_policy_of_ones_own() -> None:
    assert run("own_policy.py").splitlines()[-1] == (
        "fulfilled by [{'vendor_id': 'northside', 'quantity': 3, 'sequence': 3, 'returned': 0}]"
    )


def test_a_feed_of_ones_own() -> None:
    assert run("own_feed.py").splitlines() == ["4973148: 0", "5110001: 142"]


def test_the_api_in_another_application() -> None:
    assert run("mounted.py").splitlines() == ["Welcome", "202 /aggregator/v1/api/order"]


def test_an_order_in_a_transaction_of_ones_own() -> None:
    assert run("own_transaction.py").splitlines() == [
        "before the commit: 0",
        "after it: 1 of sku-espresso-beans",
    ]
