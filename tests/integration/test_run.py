"""The one command: starting, stopping, and what can go wrong at the start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from http import HTTPStatus

import httpx
import pytest

from service import COMMAND, Service, alive, children, descendants, eventually, stop

PRODUCT = "sku-espresso-beans"


def test_stopped_and_started_again_it_still_knows_everything(embedded: Service) -> None:
    running = embedded.start("run")
    embedded.wait_until_ready()
    before = embedded.stock(PRODUCT)["on_hand"]
    order = embedded.order(PRODUCT, 4).json()
    embedded.wait_until_settled()
    assert stop(running) == 0
    embedded.start("run")
    embedded.wait_until_ready()
    assert embedded.get(f"/order/{order['id']}")["status"] == "fulfilled"
    assert embedded.stock(PRODUCT)["on_hand"] == before - 4
    embedded.verify()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_in_the_middle_of_orders_loses_none_of_them(embedded: Service, number: int) -> None:
    running = embedded.start("run")
    embedded.wait_until_ready()
    accepted = [embedded.order(PRODUCT).json()["id"] for _ in range(20)]
    assert stop(running, number) == 0
    assert "Traceback" not in embedded.said()
    embedded.start("run")
    embedded.wait_until_ready()
    embedded.wait_until_settled()
    for order_id in accepted:
        assert embedded.get(f"/order/{order_id}")["status"] == "fulfilled"
    embedded.verify()


def test_it_listens_on_a_host_by_its_name(embedded: Service) -> None:
    embedded.environment["HOST"] = "localhost"
    embedded.start("run")
    embedded.wait_until_ready()


def test_it_says_where_to_look_and_its_two_curl_lines_work_as_printed(embedded: Service) -> None:
    embedded.start("run")
    embedded.wait_until_said("Ctrl-C stops it.")
    assert f"{embedded.api}/swagger" in embedded.said()
    assert httpx.get(f"{embedded.api}/swagger").status_code == HTTPStatus.OK
    commands = _curl_lines(embedded)
    assert len(commands) == 2
    for command in commands:
        assert "sku-" in _output_of(command)
    assert embedded.get("/order") != []


def test_the_order_that_it_shows_can_be_placed_whatever_the_vendors_sell(embedded: Service) -> None:
    _sell(embedded, {"none left": 0, 'it\'s the "last"': 1})
    embedded.start("run")
    embedded.wait_until_said("Ctrl-C stops it.")
    [_, command] = _curl_lines(embedded)
    assert json.loads(_output_of(command))["lines"] == [
        {
            "product_id": 'it\'s the "last"',
            "quantity": 1,
            "cancelled": 0,
            "backordered": 0,
            "allocations": [],
        }
    ]


def test_it_shows_no_order_where_nothing_is_in_stock(embedded: Service) -> None:
    _sell(embedded, {"none left": 0})
    embedded.start("run")
    embedded.wait_until_said("Ctrl-C stops it.")
    [command] = _curl_lines(embedded)
    assert "none left" in _output_of(command)


def test_a_vendor_that_stalls_delays_nobody(embedded: Service) -> None:
    """Neither the API nor the other vendors, nor the end."""
    with socket.create_server(("127.0.0.1", 0)) as never_accepts:
        _sell(embedded, {"tea": 3})
        file = embedded.folder / "vendors.json"
        url = f"http://127.0.0.1:{never_accepts.getsockname()[1]}/"
        stalled = {"id": "slow", "name": "Slow", "type": "http", "format": "json", "url": url}
        file.write_text(json.dumps([stalled | {"timeout": 60}, *json.loads(file.read_text())]))
        started_at = time.monotonic()
        service = embedded.start("run")
        embedded.wait_until_said("Ctrl-C stops it.")
        assert time.monotonic() - started_at < 50  # A stalled feed has a minute.
        assert embedded.order("tea").status_code == HTTPStatus.ACCEPTED
        started_at = time.monotonic()
        assert stop(service) == 0
        assert time.monotonic() - started_at < 8


def _sell(service: Service, quantities: dict[str, int]) -> None:
    """Have one vendor of our own instead of the mock ones."""
    stock = [{"product_id": key, "quantity": units} for key, units in quantities.items()]
    (service.folder / "stock.json").write_text(json.dumps(stock))
    acme = {"id": "acme", "name": "Acme", "type": "file", "format": "json", "path": "stock.json"}
    (service.folder / "vendors.json").write_text(json.dumps([acme]))
    service.environment["VENDORS_FILE"] = "vendors.json"


def _curl_lines(service: Service) -> list[str]:
    lines = [line for line in service.said().splitlines() if "curl -s" in line]
    return [line[line.index("curl -s") :] for line in lines]


def _output_of(command: str) -> str:
    shown = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    return shown.stdout


def test_a_killed_child_is_started_again(embedded: Service) -> None:
    running = embedded.start("run")
    embedded.wait_until_said("Ctrl-C stops it.")
    before = descendants(running.pid)
    for child in children(running.pid):
        os.kill(child, signal.SIGKILL)
    eventually(lambda: embedded.said().count("process.died") >= 2)
    eventually(lambda: not any(alive(pid) for pid in before), what="nothing of it is left")
    embedded.wait_until_ready()
    assert embedded.order(PRODUCT).status_code == HTTPStatus.ACCEPTED
    embedded.wait_until_settled()


@pytest.mark.parametrize("number", [0, 1])
def test_a_child_that_ends_before_all_is_ready_ends_the_start(
    embedded: Service, number: int
) -> None:
    running = embedded.start("run")
    eventually(lambda: len(children(running.pid)) == 2)
    started = children(running.pid)
    os.kill(started[number], signal.SIGKILL)
    assert running.wait(25) == 1
    assert " ended with status -9 before all was ready\n" in embedded.said()
    assert "Traceback" not in embedded.said()
    assert not any(alive(pid) for pid in started)


def test_when_it_is_killed_its_children_end_too(embedded: Service) -> None:
    running = embedded.start("run")
    embedded.wait_until_ready()
    started = descendants(running.pid)
    assert len(started) >= 2
    running.kill()
    running.wait()
    eventually(lambda: not any(alive(pid) for pid in started), what="children ended")


def test_a_stop_while_the_api_starts_ends_it(embedded: Service) -> None:
    vendors_file = embedded.folder / "vendors.json"
    os.mkfifo(vendors_file)
    embedded.environment["VENDORS_FILE"] = str(vendors_file)
    starting = embedded.start("api")
    with vendors_file.open("w"):  # which waits until it is being read
        assert stop(starting) == -signal.SIGTERM


def test_a_verification_can_be_stopped(embedded: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=60"
        embedded.environment["DATABASE_URL"] = f"postgresql+psycopg://{address}"
        verifying = embedded.start("verify")
        with silent.accept()[0]:
            assert stop(verifying) == -signal.SIGTERM


def test_a_port_in_use_is_one_clear_line(embedded: Service) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(embedded.environment["PORT"])))
        taken.listen()
        for command in ("run", "api"):
            assert_one_line(embedded, command, expected="PORT: cannot listen on")


def test_a_mock_vendors_port_in_use_is_one_clear_line(embedded: Service) -> None:
    with socket.socket() as taken:
        port = int(embedded.environment["MOCK_VENDORS_PORT"]) + 1
        taken.bind(("127.0.0.1", port))
        taken.listen()
        for command in ("run", "mock-vendors"):
            expected = f"MOCK_VENDORS_PORT: cannot listen on 127.0.0.1:{port}"
            assert_one_line(embedded, command, expected)


def test_a_mock_vendors_port_that_is_the_apis_is_one_clear_line(embedded: Service) -> None:
    first = int(embedded.environment["PORT"]) - 1
    embedded.environment["MOCK_VENDORS_PORT"] = str(first)
    expected = f"MOCK_VENDORS_PORT: the mock vendors take {first} to {first + 2}, but {first + 1}"
    assert_one_line(embedded, "run", expected)


@pytest.mark.parametrize(
    ("name", "host", "commands"),
    [
        ("HOST", "nohost.invalid", ["run"]),
        ("HOST", "192.0.2.1", ["mock-vendors"]),
        ("HOST", "ü..b", ["api"]),
        ("MOCK_VENDORS_HOST", "nohost.invalid", ["run"]),
        ("MOCK_VENDORS_HOST", "::1", ["sync"]),
    ],
)
def test_a_host_that_cannot_be_listened_on_is_one_clear_line(
    embedded: Service, name: str, host: str, commands: list[str]
) -> None:
    embedded.environment[name] = host
    for command in commands:
        assert_one_line(embedded, command, expected=f"Error: {name}: ")


@pytest.mark.parametrize("command", ["run", "api", "worker", "sync", "migrate", "verify"])
def test_a_bad_setting_is_one_clear_line(embedded: Service, command: str) -> None:
    embedded.environment["PORT"] = "many"
    assert_one_line(embedded, command, expected="PORT: must be a whole number")


def test_a_relay_without_a_broker_says_what_it_needs(embedded: Service) -> None:
    assert_one_line(embedded, "relay", expected="BROKER_URL: must be set")


def test_an_unwritable_folder_is_one_clear_line(embedded: Service) -> None:
    (embedded.folder / "file").write_text("in the way")
    embedded.environment["DATABASE_URL"] = "sqlite:///file/data.db"
    for command in ("run", "worker"):
        assert_one_line(embedded, command, expected="DATABASE_URL: cannot create file")


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("sqlite:///:memory:", "run"),
        ("sqlite:///text.db", "migrate"),
        ("postgresql+psycopg://u:s3cret@127.0.0.1:abc/x", "api"),
        ("postgresql+psycopg://u:s3cret@127.0.0.1/x?connect_timeout=x", "worker"),
    ],
)
def test_a_database_that_can_never_work_is_one_clear_line(
    embedded: Service, url: str, command: str
) -> None:
    (embedded.folder / "text.db").write_text("not a database " * 100)
    embedded.environment["DATABASE_URL"] = url
    assert_one_line(embedded, command, expected="Error: DATABASE_URL: ")


@pytest.mark.parametrize("command", ["run", "api", "worker", "relay"])
def test_a_broker_that_can_never_work_is_one_clear_line(embedded: Service, command: str) -> None:
    embedded.environment["BROKER_URL"] = "amqp://guest:s3cret@127.0.0.1:abc/x"
    assert_one_line(embedded, command, expected="Error: BROKER_URL: ")


@pytest.mark.parametrize(
    ("content", "command", "problem"),
    [
        ('[{"id": "acme"}]', "run", "vendors.json: vendor 1, "),
        ("{\n", "api", "vendors.json: not JSON"),
        (None, "sync", "vendors.json: cannot be read"),
    ],
)
def test_a_vendors_file_that_makes_no_sense_is_one_clear_line(
    embedded: Service, content: str | None, command: str, problem: str
) -> None:
    if content is not None:
        (embedded.folder / "vendors.json").write_text(content)
    embedded.environment["VENDORS_FILE"] = "vendors.json"
    assert_one_line(embedded, command, expected=f"Error: VENDORS_FILE: {problem}")


@pytest.mark.parametrize("command", ["run", "api", "worker"])
def test_a_policy_of_vendors_that_do_not_exist_is_one_clear_line(
    embedded: Service, command: str
) -> None:
    embedded.environment["ALLOCATION_POLICY"] = "priority:hilltop,Nosuch"
    expected = "Error: ALLOCATION_POLICY: no such vendor: Nosuch (there are: hilltop, harbour"
    assert_one_line(embedded, command, expected)


def assert_one_line(service: Service, command: str, expected: str) -> None:
    """The command fails at once, and says why in one line without a traceback."""
    failed = service.call(command, timeout=20)
    assert failed.returncode != 0
    assert expected in failed.stderr
    assert len(failed.stderr.strip().splitlines()) == 1, failed.stderr
    assert "s3cret" not in failed.stderr


def test_started_before_the_tables_everything_waits_and_leaves_no_file(embedded: Service) -> None:
    _sell(embedded, {PRODUCT: 5})
    processes = [embedded.start(*words.split()) for words in ("worker", "api", "sync --every 0.5")]
    for waiting in ("worker", "relay", "sync"):
        embedded.wait_until_said(f"{waiting}.waiting")
    assert not (embedded.folder / "data").exists()
    assert embedded.call("migrate").returncode == 0
    embedded.wait_until_ready()
    eventually(lambda: embedded.get("/stock") != [], what="synced")
    assert embedded.order(PRODUCT).status_code == HTTPStatus.ACCEPTED
    embedded.wait_until_settled()
    embedded.verify()
    assert [process.poll() for process in processes] == [None] * len(processes)


def test_a_database_that_is_not_there_is_not_found_to_be_right(embedded: Service) -> None:
    file = embedded.folder / "data" / "order_aggregator.db"
    expected = f"Error: there is no database at {file}: run `order-aggregator migrate`"
    assert_one_line(embedded, "verify", expected)
    assert list(embedded.folder.iterdir()) == []


def test_a_reset_begins_anew(embedded: Service) -> None:
    assert embedded.call("migrate").returncode == 0
    assert embedded.call("seed").returncode == 0
    embedded.start("api")
    embedded.wait_until_ready()
    assert embedded.order("sku-espresso-beans").status_code == HTTPStatus.ACCEPTED
    refused = embedded.call("reset")
    assert (refused.returncode, "say --yes" in refused.stderr) == (2, True)
    assert embedded.get("/order") != []
    assert embedded.call("reset", "--yes").returncode == 0
    assert embedded.get("/order") == embedded.get("/stock") == []
    assert embedded.call("seed").returncode == 0
    assert embedded.order("sku-espresso-beans").status_code == HTTPStatus.ACCEPTED
    embedded.verify()


def test_help_and_version_need_no_settings(embedded: Service) -> None:
    assert "run" in embedded.call("--help").stdout
    assert subprocess.run([*COMMAND, "--version"], capture_output=True, check=False).returncode == 0
