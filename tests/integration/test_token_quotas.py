"""The quota of a token is one for all processes, and outlives them."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from ports import free_ports
from service import Service, eventually, stop


class Api:
    """An `api` command of its own, as on another machine."""

    def __init__(self, service: Service, token: str) -> None:
        port = free_ports()
        service.environment |= {"PORT": str(port), "API_PROCESSES": "1"}
        service.root = f"http://127.0.0.1:{port}"
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=service.root, headers=headers, timeout=30)
        self.process = service.start("api")
        eventually(self._is_there, what="there")

    def _is_there(self) -> bool:
        try:
            return self._client.get("/healthz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def ask(self) -> httpx.Response:
        return self._client.get("/v1/api/stock")

    def stop(self) -> None:
        self._client.close()
        assert stop(self.process) == 0

    def left(self) -> int:
        """By asking once more."""
        found = re.search('"daily";r=([0-9]+)', self.ask().headers["RateLimit"])
        assert found is not None
        return int(found[1])


@pytest.fixture(params=["embedded", "distributed"])
def service(request: pytest.FixtureRequest) -> Service:
    """A database, and nothing that runs."""
    service: Service = request.getfixturevalue(request.param)
    assert service.call("migrate").returncode == 0
    return service


def used(service: Service) -> int:
    [line] = service.call("token", "list", "--json").stdout.splitlines()
    today: int = json.loads(line)["requests_today"]
    return today


def test_two_machines_share_the_quota_of_a_token(service: Service) -> None:
    quota = 60
    options = ("--name", "x", "--scope", "stock:read", "--daily-quota", str(quota), "--json")
    token = json.loads(service.call("token", "create", *options).stdout)["token"]
    one, other = Api(service, token), Api(service, token)
    assert one.left() == quota - 1
    for _ in range(29):
        assert one.ask().status_code == httpx.codes.OK
    # It says so even if it is asked no more.
    eventually(lambda: used(service) == 30, what="told")
    eventually(lambda: other.left() < 30, what="known to the other")
    while other.ask().status_code == httpx.codes.OK:
        pass
    eventually(lambda: used(service) == quota, what="all told")
    eventually(lambda: one.ask().status_code == httpx.codes.TOO_MANY_REQUESTS, what="both refuse")
    for api in (one, other):
        api.stop()
    # Before it knew, the one may have let in what it believed to be left.
    all_in_all = used(service)
    assert quota <= all_in_all <= quota + 30
    later = Api(service, token)
    assert later.ask().status_code == httpx.codes.TOO_MANY_REQUESTS
    later.stop()
    assert used(service) == all_in_all


def test_a_process_that_stops_tells_what_it_has_counted(service: Service) -> None:
    options = ("--name", "x", "--scope", "stock:read", "--daily-quota", "50", "--json")
    token = json.loads(service.call("token", "create", *options).stdout)["token"]
    api = Api(service, token)
    for _ in range(7):
        api.ask()
    api.stop()
    assert used(service) == 7
