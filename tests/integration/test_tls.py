"""The service with a certificate of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from ssl import create_default_context
from urllib.parse import urlsplit

import httpx
import pytest

from certificates import write_certificate
from order_aggregator.entrypoints.runtime.tls import client_context
from service import Service, eventually

PRODUCT = "sku-espresso-beans"


@pytest.fixture
def running(embedded: Service, tmp_path: Path) -> Service:
    """Everything, with TLS; and its mock vendors want to learn of orders."""
    cert, key = write_certificate(tmp_path)
    root = embedded.root.replace("http://", "https://")
    more = {"TLS_CERT": cert, "TLS_KEY": key, "MOCK_VENDORS_API": root, "LOG_LEVEL": "debug"}
    embedded.environment.update(more)
    embedded.start("run")
    embedded.wait_until_said("Ctrl-C stops it.", within=60)
    return embedded


@pytest.fixture
def client(running: Service) -> Iterator[httpx.Client]:
    """Trusts the certificate, by the name that it is for."""
    root = f"https://localhost:{urlsplit(running.root).port}"
    trust = create_default_context(cafile=running.environment["TLS_CERT"])
    with httpx.Client(base_url=root, verify=trust, timeout=30) as client:
        yield client


def test_everything_goes_on_as_without_it(running: Service, client: httpx.Client) -> None:
    body = {"product_id": PRODUCT, "quantity": 2}
    with client.stream("GET", "/v1/api/events") as stream:
        assert stream.status_code == HTTPStatus.OK
        assert "Strict-Transport-Security" in stream.headers
        lines = stream.iter_lines()
        answer = client.post("/v1/api/order", json=body)
        assert answer.status_code == HTTPStatus.ACCEPTED
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert answer.http_version == "HTTP/1.1"
        order_id = answer.json()["id"]
        assert any(order_id in line for line in lines if line.startswith("data:"))
    too_large = client.post("/v1/api/order", content=b" " * 2**21)
    assert too_large.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert "Strict-Transport-Security" in too_large.headers
    eventually(lambda: _learns(running), what="the mock vendors ask for orders")
    assert "CERTIFICATE_VERIFY_FAILED" not in running.said()
    assert _healthcheck(running).returncode == 0


def test_who_comes_without_it_or_does_not_know_it_gets_no_answer(
    running: Service, tmp_path: Path
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{running.root}/healthz")
    other, _ = write_certificate(tmp_path, "other")
    address = running.root.replace("http://", "https://")
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{address}/healthz", verify=client_context(other))
    host, port = "127.0.0.1", urlsplit(running.root).port
    trust = client_context(running.environment["TLS_CERT"])
    with (
        socket.create_connection((host, port or 0), timeout=10) as plain,
        trust.wrap_socket(plain) as encrypted,
    ):
        assert encrypted.version() in ("TLSv1.2", "TLSv1.3")


def test_a_certificate_that_cannot_be_used_is_said_in_one_line(
    embedded: Service, tmp_path: Path
) -> None:
    cert, _ = write_certificate(tmp_path)
    _, key = write_certificate(tmp_path, "other")
    embedded.environment |= {"TLS_CERT": cert, "TLS_KEY": key}
    for command in ("api", "run"):
        called = embedded.call(command)
        assert called.returncode != 0
        assert called.stderr.splitlines()[-1].endswith("TLS_KEY: must be the key of TLS_CERT")
        assert "Traceback" not in called.stderr
    called = _healthcheck(embedded)
    assert called.returncode == 1
    assert called.stderr.startswith("not alive: ")


def _learns(service: Service) -> bool:
    told = [json.loads(line) for line in service.said().splitlines() if line.startswith("{")]
    return any(
        (line["event"], line.get("method"), line.get("route"))
        == ("api.request", "GET", "/v1/api/order")
        for line in told
    )


def _healthcheck(service: Service) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "order_aggregator.entrypoints.healthcheck"],
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
