"""The rules about webhooks."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address

import pytest

from order_aggregator.domain.errors import InvalidValue
from order_aggregator.domain.webhooks import (
    FIRST_DELAY,
    LAST_DELAY,
    MAX_ATTEMPTS,
    Delivery,
    backoff,
    check_secret,
    check_types,
    check_url,
    is_public,
    lanes,
)
from order_aggregator.testing.shop_work import NOW
from order_aggregator.testing.webhooks import make_webhook


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
    ],
)
def test_an_address_that_only_we_can_reach_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ftp://shop.example/", "http:// or https://"),
        ("https:///hook", "a host"),
        ("shop.example", "http:// or https://"),
        ("https://user:word@shop.example/", "user or a password"),
        ("https://@shop.example/", "user or a password"),
        ("https://shop.example:70000/", "must be an address"),
        ("https://shop.example:0/", "port from 1"),
        ("https://[::1/", "must be an address"),
        ("https://shop.example/a b", "http:// or https://"),
        ("https://shop.example/\n", "control characters"),
        ("https://" + "a" * 2000, "1 to 2000"),
        (7, "must be a string"),
        ("http://127.0.0.1:80/", "private address: 127.0.0.1"),
        ("http://[::ffff:10.0.0.1]/", "private address"),
    ],
)
def test_an_address_that_cannot_be_sent_to_is_refused_by_its_field(
    url: object, expected: str
) -> None:
    with pytest.raises(InvalidValue, match=expected) as caught:
        check_url(url, private=False)
    assert caught.value.field == "url"


def test_private_addresses_may_be_allowed() -> None:
    check_url("http://127.0.0.1:8080/hook?key=1", private=True)
    check_url("https://shop.example/hook", private=False)


@pytest.mark.parametrize("secret", ["QUJD" * 8, "whsec_", "whsec_QUJD", "whsec_" + "é" * 40, 7])
def test_a_secret_that_is_none_is_refused(secret: object) -> None:
    with pytest.raises(InvalidValue, match="whsec_ and 24 to 64 bytes in Base64"):
        check_secret(secret)


@pytest.mark.parametrize(
    "types", [[], ["order.*"] * 51, "order.*", ["Order"], ["order*"], [""], [7]]
)
def test_types_that_are_none_are_refused(types: object) -> None:
    with pytest.raises(InvalidValue, match="types"):
        check_types(types)


def test_patterns_say_what_a_webhook_wants() -> None:
    webhook = make_webhook("a", types=("order.*", "stock.low"))
    wanted = ["order.reserved", "order.a.b", "stock.low"]
    unwanted = ["order", "orders.x", "stock.lower", "stock.out"]
    assert [x for x in [*wanted, *unwanted] if webhook.wants(x)] == wanted
    assert make_webhook("b").wants("anything.at.all")


def test_pauses_double_up_to_an_hour_and_end_within_a_day() -> None:
    pauses = [backoff(attempts, 0) for attempts in range(1, MAX_ATTEMPTS)]
    assert pauses[:3] == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
    assert max(pauses) == LAST_DELAY
    assert sum(pauses, timedelta()) < timedelta(days=1)
    assert backoff(1, 1) == FIRST_DELAY * 0.75


def _delivery(number: int, subject: str = "s", attempts: int = 0) -> Delivery:
    return Delivery(
        id=number,
        webhook_id="a",
        message_id=str(number),
        subject=subject,
        body="{}",
        attempts=attempts,
        due_at=NOW,
    )


def test_a_delivery_is_dead_after_its_last_attempt() -> None:
    failed = _delivery(1, attempts=MAX_ATTEMPTS - 2).failed("x" * 999, NOW, 0)
    assert (failed.due_at, failed.problem) == (NOW + LAST_DELAY, "x" * 500)
    assert failed.failed("y", NOW, 0).due_at is None


def test_what_is_about_the_same_subject_stays_in_order() -> None:
    given = [_delivery(n, subject) for n, subject in enumerate(["a", "b", "a", "c", "b", "d"])]
    found = lanes(given, 2)
    assert [[each.id for each in lane] for lane in found] == [[0, 2, 3], [1, 4, 5]]
    assert lanes(given[:1], 4) == [given[:1]]
