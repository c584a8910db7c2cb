"""The address of a RabbitMQ broker is read when the bus is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from order_aggregator.adapters.rabbitmq import RabbitMessageBus
from order_aggregator.domain.errors import InvalidValue

FORM = r"^broker_url: must be amqp://<user>:<password>@<host>:<port>/<vhost>"


@pytest.mark.parametrize("scheme", ["amqp", "amqps"])
@pytest.mark.parametrize(
    "rest",
    [
        "guest:s3cret@127.0.0.1:abc/x",
        "guest:s3cret@127.0.0.1:99999/x",
        "guest:s3cret@127.0.0.1:0/x",
        "guest:s3cr/et@127.0.0.1/x",
        "guest:s3cret@127.0.0.1/x?bogus=s3cret",
        "guest:s3cret@127.0.0.1/x?heartbeat=s3cret",
        "127.0.0.1/x?ssl_options=5",
        "127.0.0.1/x?ssl_options={",
        "127.0.0.1/x?tcp_options=5",
        "guest%ff@127.0.0.1/x",
        "a..b/x",
        "[::1/x",
        "/x",
        "",
    ],
)
def test_an_address_that_can_never_work_is_refused(scheme: str, rest: str) -> None:
    """And neither the message nor its cause shows a part of it."""
    with pytest.raises(InvalidValue, match=FORM) as caught:
        RabbitMessageBus(f"{scheme}://{rest}")
    assert "s3cr" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_another_scheme_is_refused() -> None:
    with pytest.raises(InvalidValue, match=FORM):
        RabbitMessageBus("http://127.0.0.1/x")


def test_a_certificate_that_is_not_there_is_refused(tmp_path: Path) -> None:
    options = f"{{'ca_certs': '{tmp_path}/ca.pem'}}"
    with pytest.raises(InvalidValue, match=r"^broker_url: .*ssl_options.*No such file"):
        RabbitMessageBus(f"amqps://127.0.0.1/x?ssl_options={options}")


@pytest.mark.parametrize("url", ["amqp://h", "amqps://u:p%2F@[::1]:5671/%2F?heartbeat=5"])
def test_an_address_that_makes_sense_is_taken(url: str) -> None:
    RabbitMessageBus(url).close()
