"""Server-sent events, from processes to sockets, on every kind of deployment."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

from service import Service, eventually

FOREVER = httpx.Timeout(30, read=30)


@contextmanager
def listening(service: Service, path: str, last: str | None = None) -> Iterator[Iterator[Any]]:
    """The messages of a stream: id, type and CloudEvent."""
    headers = {} if last is None else {"Last-Event-ID": last}
    with (
        httpx.Client(timeout=FOREVER) as client,
        client.stream("GET", service.api + path, headers=headers) as answer,
    ):
        assert answer.status_code == httpx.codes.OK, answer.read()
        assert answer.headers["content-type"] == "text/event-stream"
        yield _messages(answer.iter_lines())


def _messages(lines: Iterator[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "data" in fields:
            yield fields["id"], fields["event"], json.loads(fields["data"])
            fields = {}


def _order(service: Service, **more: object) -> dict[str, Any]:
    product_id = max(service.get("/stock"), key=lambda level: level["available"])["product_id"]
    body = {"product_id": product_id, "quantity": 1, **more}
    placed: dict[str, Any] = httpx.post(f"{service.api}/order", json=body).json()
    return placed


@pytest.fixture
def running(service: Service) -> Service:
    """With an API, workers and something to sell."""
    service.start("run")
    service.wait_until_ready()
    eventually(lambda: any(level["available"] > 50 for level in service.get("/stock")))
    return service


def test_a_stream_tells_what_happens_and_goes_on_where_it_was_left(running: Service) -> None:
    with listening(running, "/events?type=order.*") as messages:
        first = _order(running)
        seen = [next(messages) for _ in range(2)]
    assert [(kind, event["subject"]) for _, kind, event in seen] == [
        ("order.reserved", first["id"]),
        ("order.fulfilled", first["id"]),
    ]
    second = _order(running)
    with listening(running, "/events?type=order.*", last=seen[0][0]) as messages:
        again = [next(messages) for _ in range(3)]
    assert again[0] == seen[1]
    assert [event["subject"] for _, _, event in again[1:]] == [second["id"]] * 2
    with listening(running, f"/order/{second['id']}/events", last="1") as messages:
        assert next(messages)[:2] == ("2", "order.fulfilled")


def test_nothing_is_left_out_and_nothing_comes_twice(running: Service) -> None:
    """However a listener is interrupted, while eight buyers order at once."""
    with (
        listening(running, "/events?type=order.reserved", last="0") as messages,
        ThreadPoolExecutor(8) as pool,
    ):
        placed = pool.map(lambda _: _order(running)["id"], range(60))
        seen = [next(messages) for _ in range(25)]
        expected = set(placed)
    while len(seen) < len(expected):
        with listening(running, "/events?type=order.reserved", last=seen[-1][0]) as messages:
            seen += [next(messages) for _ in range(min(13, len(expected) - len(seen)))]
    assert len({event["id"] for _, _, event in seen}) == len(seen)
    assert {event["subject"] for _, _, event in seen} == expected


def test_the_end_of_the_service_ends_its_streams(running: Service) -> None:
    with listening(running, "/events") as messages, ThreadPoolExecutor(1) as pool:
        ended = pool.submit(lambda: [*messages])
        for process in running.running():
            process.send_signal(signal.SIGTERM)
            process.wait(15)
        # Cut off in the middle of the body, which is how a stream ends.
        with suppress(httpx.RemoteProtocolError):
            ended.result(15)
