"""Who is let in by the server: in its event loop, and as long as a stream goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import httpx
import pytest
from flask import Flask

from api_under_test import PREFIX, ApiUnderTest
from asgi_servers import serving_uvicorn
from order_aggregator.domain.errors import StorageUnavailable
from order_aggregator.entrypoints.api import gate
from order_aggregator.entrypoints.api.scheduling import GreenletScheduler
from order_aggregator.entrypoints.serving import asgi, event_hub
from order_aggregator.entrypoints.serving.asgi import AsgiApplication

ORDER = {"product_id": "BOLT", "quantity": 1}


class Served:
    """A closed API, over sockets."""

    api: ApiUnderTest
    client: httpx.Client

    def order(self, token: str | None) -> int:
        headers = {} if token is None else bearer(token)
        return self.client.post(f"{PREFIX}/order", json=ORDER, headers=headers).status_code

    def revoke_all(self) -> None:
        for token in self.api.shop.storage.access_tokens.all():
            self.api.shop.token_actions.revoke(token.id)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()

    @contextmanager
    def build(scheduler: GreenletScheduler) -> Iterator[Flask]:
        made.api = ApiUnderTest(scheduler=scheduler, is_open=False)
        yield made.api.app

    with (
        serving_uvicorn(AsgiApplication(build, threads=2)) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as made.client,
    ):
        yield made


def test_orders_are_placed_by_those_who_may(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REFRESH_AFTER", "FRESH_FOR", "READ_EVERY"):
        monkeypatch.setattr(gate, name, 0.0)
    token, other = served.api.token("orders:write"), served.api.token("stock:read")
    assert [served.order(each) for each in (token, other, None, "oat_x")] == [202, 403, 401, 401]
    served.revoke_all()
    assert served.order(token) == 401


def test_while_the_tokens_cannot_be_read_orders_are_to_come_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise StorageUnavailable("no answer")

    token = served.api.token("orders:write")
    monkeypatch.setattr(served.api.shop.storage.access_tokens, "all", away)
    assert served.order(token) == 503


def by_cookie(token: str) -> dict[str, str]:
    return {"Cookie": f"order_aggregator_token={token}"}


@pytest.mark.parametrize(
    ("path", "shown"), [(f"{PREFIX}/events", bearer), ("/dashboard/events", by_cookie)]
)
def test_a_stream_ends_with_the_token(
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    shown: Callable[[str], dict[str, str]],
) -> None:
    monkeypatch.setattr(asgi, "RECHECK_AFTER", 0.0)
    monkeypatch.setattr(event_hub, "PULSE", 0.0)
    monkeypatch.setattr(event_hub, "HEARTBEAT", 0.05)
    for name in ("REFRESH_AFTER", "FRESH_FOR"):
        monkeypatch.setattr(gate, name, 0.0)
    headers = shown(served.api.token("operate"))
    with served.client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        assert [line for line, _ in zip(lines, range(6), strict=False) if "still here" in line]
        served.revoke_all()
        for _ in lines:
            pass
    assert served.client.get(path, headers=headers).status_code == 401


def test_a_page_is_told_once_of_all_that_happens_meanwhile(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_hub, "PULSE", 0.5)
    monkeypatch.setattr(event_hub, "HEARTBEAT", 0.05)
    headers = by_cookie(served.api.token("operate"))
    with served.client.stream("GET", "/dashboard/events", headers=headers) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        lines = (line for line in answer.iter_lines() if line.startswith((":", "data")))
        assert next(lines) == ": still here"
        lines = (line for line in lines if line.startswith("data"))
        for _ in range(4):
            served.api.shop.accepted(BOLT=1)
        assert next(lines) == "data: changed"
        for _ in range(4):
            served.api.shop.accepted(BOLT=1)
        before = monotonic()
        assert next(lines) == "data: changed"
        assert monotonic() - before > 0.1
