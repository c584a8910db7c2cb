"""`order-aggregator config`, options and `.env`, as an operator uses them."""

from __future__ import annotations

import json
from pathlib import Path

from service import Service, stop


def test_what_is_in_effect_is_shown_with_where_it_is_from(embedded: Service) -> None:
    (embedded.folder / ".env").write_text("API_THREADS=3\nPORT=1\nBROKER_URL_FILE=broker\n")
    (embedded.folder / "broker").write_text("amqp://me:secret@127.0.0.1/x\n")
    told = embedded.call("config", "--json")
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    port = embedded.environment["PORT"]
    assert found["PORT"] == {"value": port, "source": "environment"}
    assert found["API_THREADS"] == {"value": "3", "source": ".env"}
    assert found["BROKER_URL"] == {"value": "amqp://me:***@127.0.0.1/x", "source": "file broker"}
    assert found["RESEND_AFTER"] == {"value": "300", "source": "default"}
    assert found["ALLOCATION_POLICY"]["value"] == "highest_then_even"
    assert {found[name]["value"] for name in ("CORS_ORIGINS", "EVENTS_EXCHANGE")} == {""}
    table = embedded.call("config").stdout.splitlines()
    assert table[0].split() == ["VARIABLE", "VALUE", "FROM"]
    assert "secret" not in told.stdout + "\n".join(table)


def test_an_option_counts_before_a_variable(embedded: Service, tmp_path: Path) -> None:
    wanted = embedded.environment["PORT"]
    embedded.environment["PORT"] = "1"
    assert embedded.call("migrate").returncode == 0
    api = embedded.start("api", "--port", wanted, "--api-processes", "1")
    embedded.wait_until_ready()
    assert stop(api) == 0
    refused = embedded.call("api", "--port", "x")
    assert (refused.returncode, refused.stderr.splitlines()[-1]) == (
        1,
        "Error: --port: must be a whole number from 1 to 65535",
    )
