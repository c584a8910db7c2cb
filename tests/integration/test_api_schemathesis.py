"""What a generator of requests finds wrong in the API, on each deployment: nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service import Service

HERE = Path(__file__).parent
EXAMPLES = "10"


@pytest.mark.timeout(300)
def test_schemathesis_finds_nothing(service: Service) -> None:
    token = service.close_api()
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", str(HERE / "schemathesis.toml")),
            *("run", f"{service.api}/openapi.json", "--checks", "all"),
            *("--header", f"Authorization: Bearer {token}"),
            *("--max-examples", EXAMPLES, "--seed", "1", "--generation-database", "none"),
        ],
        cwd=service.folder,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "schemathesis_checks",
            "PYTHONPATH": str(HERE),
        },
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    service.wait_until_settled()
    service.verify()
