"""`order-aggregator webhook …`, and a running service that tells what happens."""

from __future__ import annotations

import json
from pathlib import Path

from service import Service, eventually, stop
from webhook_listener import Listener


def test_a_running_service_tells_its_orders_to_a_webhook(embedded: Service) -> None:
    embedded.environment["WEBHOOKS_PRIVATE"] = "yes"
    process = embedded.start("run")
    embedded.wait_until_ready()
    with Listener() as listener:
        added = embedded.call("webhook", "add", listener.url, "--type", "order.*", "--json")
        assert added.returncode == 0, added.stderr
        listener.secret = json.loads(added.stdout)["secret"]
        eventually(lambda: embedded.order("sku-espresso-beans").status_code == 202)
        eventually(lambda: len(listener.told) >= 2)
        types = [told.event["type"] for told in listener.told]
        assert types[:2] == ["order.reserved", "order.fulfilled"]
        assert all(told.is_genuine for told in listener.told)
        assert stop(process) == 0
    assert "webhooks.crashed" not in embedded.said()


def test_webhooks_on_the_command_line(tmp_path: Path) -> None:
    service = Service(tmp_path, {"DATABASE_URL": f"sqlite:///{tmp_path / 'orders.db'}"})
    assert service.call("migrate").returncode == 0
    refused = service.call("webhook", "add", "http://127.0.0.1/")
    assert refused.stderr == "Error: url: must not be a private address: 127.0.0.1\n"
    first, second = service.call("webhook", "add", "https://shop.example/").stdout.splitlines()
    webhook_id = first.removeprefix("webhook ").removesuffix(" is added")
    assert second.strip().startswith("secret whsec_")
    header, row = service.call("webhook", "list").stdout.splitlines()
    assert header.split() == ["WEBHOOK", "STATE", "WAITING", "DEAD", "TYPES", "URL"]
    assert row.split() == [webhook_id, "enabled", "0", "0", "*", "https://shop.example/"]
    shown = service.call("webhook", "show", webhook_id)
    assert shown.stdout.splitlines()[0] == f"webhook {webhook_id}: enabled"
    assert "whsec_" not in shown.stdout
    listed = json.loads(service.call("webhook", "list", "--json").stdout)
    assert (listed["id"], "secret" in listed) == (webhook_id, False)
    replayed = service.call("webhook", "replay", webhook_id, "--json")
    assert json.loads(replayed.stdout) == {"replayed": 0}
    assert "say --yes" in service.call("webhook", "remove", webhook_id).stderr
    assert service.call("webhook", "remove", webhook_id, "--yes").returncode == 0
    gone = service.call("webhook", "show", webhook_id)
    assert (gone.returncode, gone.stderr) == (1, f"Error: unknown webhook: {webhook_id}\n")
