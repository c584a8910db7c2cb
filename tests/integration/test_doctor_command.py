"""`order-aggregator doctor`, run as an operator would."""

from __future__ import annotations

import json
import socket

from amqp import channel_to
from order_aggregator.adapters.sql import create_engine
from service import Service


def _looked(service: Service) -> tuple[int, dict[str, list[tuple[str, str]]]]:
    """Its exit status, and by subject each verdict with what was found."""
    told = service.call("doctor", "--json")
    found: dict[str, list[tuple[str, str]]] = {}
    for line in told.stdout.splitlines():
        each = json.loads(line)
        found.setdefault(each["subject"], []).append((each["verdict"], each["found"]))
    return told.returncode, found


def test_a_sqlite_file_is_looked_at(embedded: Service) -> None:
    told = embedded.call("doctor")
    assert (told.returncode, told.stdout.split()[:2]) == (1, ["fail", "database"])
    assert "run `order-aggregator migrate`" in told.stdout
    embedded.call("migrate")
    status, found = _looked(embedded)
    assert status == 0, found
    assert found["database"][0][1].startswith("sqlite 3.")
    assert {"schema", "disk", "broker", "vendors", "files", "metrics", "port"} < found.keys()
    with socket.create_server(("127.0.0.1", int(embedded.environment["PORT"]))):
        status, found = _looked(embedded)
    assert (status, found["port"][0][0]) == (0, "warn")
    (embedded.folder / "vendors.json").write_text("[")
    embedded.environment["VENDORS_FILE"] = "vendors.json"
    lines = embedded.call("doctor").stdout.splitlines()
    assert [line[-len("; see VENDORS_FILE") :] for line in lines if "fail" in line] == [
        "; see VENDORS_FILE"
    ]
    status, found = _looked(embedded)
    assert (status, found["vendors"][0][0]) == (1, "fail")


def test_a_server_and_a_broker_are_looked_at(distributed: Service) -> None:
    distributed.call("migrate")
    status, found = _looked(distributed)
    assert status == 0, found
    assert found["database"][0][1].startswith("postgresql ")
    assert found["isolation"] == [("ok", "read committed")]
    for subject in ("schema", "clock", "permissions", "connections"):
        assert found[subject][0][0] == "ok", found[subject]
    assert found["broker"][0][1].startswith("RabbitMQ ")
    assert [verdict for verdict, _ in found["queue"]] == ["warn", "warn"]
    with channel_to(distributed.environment["BROKER_URL"]) as channel:
        channel.queue_declare("order_queue", durable=True)
    status, found = _looked(distributed)
    assert (status, [verdict for verdict, _ in found["queue"]]) == (1, ["fail", "warn"])
    assert "x-dead-letter" in found["queue"][0][1] or "x-queue-type" in found["queue"][0][1]


def test_what_a_user_may_not_do_is_said(distributed: Service) -> None:
    distributed.call("migrate")
    url = distributed.environment["DATABASE_URL"]
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS weak_doctor")
        connection.exec_driver_sql("CREATE ROLE weak_doctor LOGIN")
        connection.exec_driver_sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO weak_doctor")
    distributed.environment["DATABASE_URL"] = url.replace("postgres@", "weak_doctor@")
    status, found = _looked(distributed)
    assert (status, found["permissions"]) == (
        1,
        [("fail", "this user may not read and write every table")],
    )
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP OWNED BY weak_doctor")
        connection.exec_driver_sql("DROP ROLE weak_doctor")
    engine.dispose()


def test_what_cannot_be_reached_has_failed(embedded: Service) -> None:
    embedded.call("migrate")
    embedded.environment["BROKER_URL"] = "amqp://guest:secret@127.0.0.1:1/"
    told = embedded.call("doctor")
    assert told.returncode == 1
    assert "fail  broker" in told.stdout
    assert "secret" not in told.stdout + told.stderr
