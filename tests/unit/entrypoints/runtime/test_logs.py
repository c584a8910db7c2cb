"""Logs that cannot be written stop nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


def test_a_log_whose_reader_has_gone_stops_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    program = (
        "from order_aggregator.entrypoints.runtime.logs import configure_logs\n"
        "import logging, structlog\n"
        "configure_logs('info')\n"
        "structlog.get_logger().info('said')\n"
        "logging.getLogger('library').error('said')\n"
        "print('went on')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=writer,
        text=True,
        timeout=30,
        check=False,
    )
    os.close(writer)
    assert done.stdout == "went on\n"


SAID = """
import logging, structlog
from order_aggregator.entrypoints.runtime.logs import configure_logs
configure_logs("info", {format!r})
structlog.get_logger().info("order.sent", order_id="x y")
logging.getLogger("library").error("failed")
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger().exception("crashed")
"""


def said(log_format: str | None) -> list[str]:
    program = SAID.format(format=log_format)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    return done.stderr.splitlines()


@pytest.mark.parametrize("log_format", [None, "json"])
def test_where_no_person_looks_each_line_is_an_object(log_format: str | None) -> None:
    first, library, crashed = map(json.loads, said(log_format))
    assert (first["event"], first["level"], first["order_id"]) == ("order.sent", "info", "x y")
    assert library["event"] == "failed"
    assert "ZeroDivisionError" in crashed["exception"]


def test_logfmt_is_a_line_of_keys_and_values() -> None:
    first, library, crashed = said("logfmt")
    assert first.endswith(' level=info event=order.sent order_id="x y"')
    assert "event=failed" in library
    assert "ZeroDivisionError" in crashed


def test_the_one_for_people_may_be_had_without_a_terminal_and_has_no_colours_there() -> None:
    text = "\n".join(said("console"))
    assert "order.sent" in text
    assert "ZeroDivisionError: division by zero" in text
    assert "\x1b" not in text
