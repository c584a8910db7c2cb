"""Logs that cannot be written stop nothing."""

from __future__ import annotations

import os
import subprocess
import sys


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
