"""Which machines a webhook can reach."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread

import pytest

from order_aggregator.adapters.system.clock import SystemClock
from order_aggregator.adapters.webhooks.http_sender import HttpWebhookSender
from order_aggregator.adapters.webhooks.network import resolve
from order_aggregator.domain.ports.webhooks import DeliveryFailed, ListenerUnreachable
from order_aggregator.domain.webhooks import Delivery
from order_aggregator.testing.shop_work import NOW
from order_aggregator.testing.webhooks import make_webhook
from webhook_listener import Listener

DELIVERY = Delivery(
    id=1, webhook_id="a", message_id="m", subject="s", body='{"id": "m"}', due_at=NOW
)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as listener:
        yield listener


def send(url: str, *addresses: str, private: bool = False) -> None:
    sender = HttpWebhookSender(
        SystemClock(), private=private, resolve=lambda _host, _port: list(addresses), timeout=3
    )
    try:
        sender.send(DELIVERY, make_webhook("a", url=url))
    finally:
        sender.close()


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1"]
)
def test_a_host_that_stands_for_a_private_address_is_not_called(
    listener: Listener, address: str
) -> None:
    url = f"http://shop.example:{listener.server_port}/"
    with pytest.raises(ListenerUnreachable, match=r"shop\.example is a private address"):
        send(url, address)
    with pytest.raises(ListenerUnreachable, match="is a private address"):
        send(url, "93.184.215.14", address)
    assert listener.told == []


def test_an_odd_spelling_of_a_private_address_is_looked_through(listener: Listener) -> None:
    for host in ("localhost", "127.1", "2130706433", "0x7f000001"):
        sender = HttpWebhookSender(SystemClock(), private=False)
        webhook = make_webhook("a", url=f"http://{host}:{listener.server_port}/")
        with pytest.raises(ListenerUnreachable, match="is a private address"):
            sender.send(DELIVERY, webhook)
        sender.close()
    assert listener.told == []


def test_just_the_address_that_was_checked_is_called(listener: Listener) -> None:
    """The name means nothing to the machine's own resolver."""
    send(f"http://shop.invalid:{listener.server_port}/", "127.0.0.1", private=True)
    assert len(listener.told) == 1


def test_the_next_address_is_called_where_the_first_does_not_answer(listener: Listener) -> None:
    send(f"http://shop.invalid:{listener.server_port}/", "127.0.0.99", "127.0.0.1", private=True)
    assert len(listener.told) == 1


def test_a_redirect_is_not_followed(listener: Listener) -> None:
    listener.answer = lambda _told: 307
    with pytest.raises(DeliveryFailed, match="answered 307"):
        send(listener.url, "127.0.0.1", private=True)
    assert len(listener.told) == 1


def test_a_name_that_nobody_knows_is_a_failure() -> None:
    sender = HttpWebhookSender(SystemClock(), private=False)
    with pytest.raises(ListenerUnreachable, match=r"nobody\.invalid: "):
        sender.send(DELIVERY, make_webhook("a", url="https://nobody.invalid/"))
    sender.close()


def test_a_server_without_a_certificate_for_the_name_is_refused(listener: Listener) -> None:
    with pytest.raises(ListenerUnreachable):
        send(f"https://shop.example:{listener.server_port}/", "127.0.0.1", private=True)
    assert listener.told == []


def test_every_address_of_a_name_is_looked_up() -> None:
    assert "127.0.0.1" in resolve("localhost", 80)
    with pytest.raises(OSError, match="no host has such a name"):
        resolve("a" * 64 + ".example", 80)


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=_answer_endlessly, args=(server,))
        thread.start()
        send(f"http://shop.invalid:{server.getsockname()[1]}/", "127.0.0.1", private=True)
        thread.join(5)
    assert not thread.is_alive()


def _answer_endlessly(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection, suppress(OSError):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)
