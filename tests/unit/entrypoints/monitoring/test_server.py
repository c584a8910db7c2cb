"""The port for metrics and health."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from time import monotonic

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from order_aggregator.adapters.system.settings import InvalidSetting
from order_aggregator.entrypoints.monitoring.server import serving_metrics
from order_aggregator.entrypoints.runtime import liveness as module
from order_aggregator.entrypoints.runtime.liveness import SILENT_AFTER, liveness
from ports import free_ports


@pytest.fixture
def url() -> Iterator[str]:
    port = free_ports()
    with serving_metrics("127.0.0.1", port):
        yield f"http://127.0.0.1:{port}"


def test_it_tells_of_the_process_and_what_it_runs(url: str) -> None:
    families = {each.name: each for each in text_string_to_metric_families(_metrics(url))}
    [build] = families["order_aggregator_build_info"].samples
    assert set(build.labels) == {"version", "python"}
    assert build.value == 1
    assert families["process_open_fds"].samples[0].value > 0


def _metrics(url: str) -> str:
    return httpx.get(f"{url}/metrics").raise_for_status().text


def test_it_is_well_while_its_threads_go_on(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with liveness.watching():
        assert httpx.get(f"{url}/healthz").status_code == 200
        since = monotonic()
        monkeypatch.setattr(module, "monotonic", lambda: since + SILENT_AFTER + 5)
        assert httpx.get(f"{url}/healthz").status_code == 503
        liveness.beat()
        assert httpx.get(f"{url}/healthz").status_code == 200


def test_there_is_nothing_else(url: str) -> None:
    assert httpx.get(f"{url}/").status_code == 404


def test_a_port_that_is_taken_is_blamed_on_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        expected = f"METRICS_PORT: cannot listen on .*{port}"
        with (
            pytest.raises(InvalidSetting, match=expected),
            serving_metrics("127.0.0.1", port),
        ):
            pass


def test_port_0_is_none() -> None:
    with serving_metrics("no such host", 0):
        pass
