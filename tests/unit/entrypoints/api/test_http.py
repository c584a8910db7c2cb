"""HTTP as clients speak it: well, badly, slowly, or not to the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from typing import Any

import pytest
from werkzeug.exceptions import HTTPException

from order_aggregator.entrypoints.api import http
from order_aggregator.entrypoints.api.http import Connection, Connections
from order_aggregator.entrypoints.api.messages import Answer, Request
from wire import Client, Received, connect, run, ticking, until

GET = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
LIMITS = {"max_body_bytes": 10, "patience": 5.0}


class Site:
    """Answers with what was asked, at once or when it is told to."""

    def __init__(self, *, slow: bool = False, size: int = 0, **limits: Any) -> None:
        self.slow = slow
        self.size = size
        self.requests: list[Request] = []
        self.in_hand: list[Callable[[], None]] = []
        self.connections = Connections(self.handle, **{**LIMITS, **limits})

    def handle(self, request: Request, connection: Connection) -> None:
        self.requests.append(request)
        code = 200 if request.refusal is None else request.refusal.code
        body = request.target + b":" + request.body + b" " * self.size
        answer = Answer(code or 500, [], body)
        if self.slow and request.refusal is None:
            self.in_hand.append(lambda: connection.answer(answer))
        else:
            connection.answer(answer)

    async def until_in_hand(self) -> None:
        await until(lambda: bool(self.in_hand))

    async def until_empty(self) -> None:
        await until(lambda: not self.connections.open)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Connections]:
        async with ticking(self.connections):
            yield self.connections
            await self.connections.close()


def talking(site: Site, talk: Callable[[Client], Awaitable[Any]], **options: Any) -> Any:
    """What comes of it when one client talks to the site."""

    async def main() -> Any:
        async with site.running() as connections:
            with closing(await connect(connections, **options)) as client:
                return await talk(client)

    return run(main())


def told(*chunks: bytes, site: Site | None = None, ends: bool = True) -> list[Received]:
    """The answers to these, until the connection is closed. `ends`: nothing comes after them."""

    async def talk(client: Client) -> list[Received]:
        with suppress(ConnectionError):
            await client.send(*chunks)
            if ends:
                client.end_sending()
        return await client.receive_all()

    answers: list[Received] = talking(site or Site(), talk)
    return answers


def statuses(*chunks: bytes, site: Site | None = None, ends: bool = True) -> list[int]:
    return [answer.status for answer in told(*chunks, site=site, ends=ends)]


def refusals(site: Site) -> list[type[HTTPException]]:
    return [type(request.refusal) for request in site.requests if request.refusal]


def test_a_connection_serves_one_request_after_the_other() -> None:
    async def talk(client: Client) -> list[bytes]:
        bodies = []
        for target in (b"/a", b"/b", b"/c"):
            await client.send(GET % target)
            bodies.append((await client.receive()).body)
        return bodies

    assert talking(Site(), talk) == [b"/a:", b"/b:", b"/c:"]


@pytest.mark.parametrize(
    ("request_", "connection"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", None),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive"),
        (b"GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "close"),
        (b"GET / HTTP/1.0\r\n\r\n", "close"),
        (b"GET / HTTP/1.1\r\n" + UPGRADE + b"\r\n", "close"),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\n" + UPGRADE + b"\r\n{}", "close"),
        (b"CONNECT shop.example:80 HTTP/1.1\r\n\r\n", "close"),
    ],
)
@pytest.mark.parametrize("slow", [False, True])
def test_a_connection_is_kept_unless_the_client_wants_otherwise(
    request_: bytes, connection: str | None, slow: bool
) -> None:
    site = Site(slow=slow)

    async def talk(client: Client) -> tuple[str | None, bool]:
        await client.send(request_)
        if slow:
            await site.until_in_hand()
            site.in_hand.pop()()
            site.slow = False
        answer = await client.receive()
        with suppress(ConnectionError):
            await client.send(GET % b"/again")
        return answer.headers.get("Connection"), await client.is_closed()

    assert talking(site, talk) == (connection, connection == "close")


@pytest.mark.parametrize("slow", [False, True])
def test_thousands_of_requests_in_one_piece_are_answered_in_their_order(slow: bool) -> None:
    site = Site(slow=slow)
    targets = [b"/%d" % number for number in range(3000)]

    async def talk(client: Client) -> list[bytes]:
        sending = asyncio.create_task(client.send(b"".join(GET % target for target in targets)))
        bodies = []
        for _ in targets:
            if slow:
                await site.until_in_hand()
                assert len(site.in_hand) == 1
                site.in_hand.pop()()
            bodies.append((await client.receive()).body)
        await sending
        return bodies

    assert talking(site, talk) == [target + b":" for target in targets]


def test_no_more_is_read_while_requests_wait_for_an_earlier_one() -> None:
    site = Site(slow=True, max_body_bytes=100_000)

    async def talk(client: Client) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.send(POST % (100_000, b" " * 100_000) * 100), 0.5)
        client.close()
        site.slow = False
        site.in_hand.pop()()

    talking(site, talk)


@pytest.mark.parametrize("slow", [False, True])
def test_what_comes_after_the_last_request_is_not_answered(slow: bool) -> None:
    site = Site(slow=slow)

    async def talk(client: Client) -> list[bytes]:
        await client.send(b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n" + GET % b"/more")
        if slow:
            site.in_hand.pop()()
        return [answer.body for answer in await client.receive_all()]

    assert talking(site, talk) == [b"/last:"]


def test_an_answer_to_head_has_a_length_and_no_body() -> None:
    async def talk(client: Client) -> tuple[Received, Received]:
        await client.send(b"HEAD / HTTP/1.1\r\n\r\n", GET % b"/next")
        return await client.receive(has_body=False), await client.receive()

    head, following = talking(Site(), talk)
    assert head.headers["Content-Length"] == "2"
    assert following.body == b"/next:"


def test_each_answer_is_dated() -> None:
    [answer] = told(GET % b"/")
    assert answer.headers["Date"].endswith(" GMT")


@pytest.mark.parametrize(
    "request_",
    [
        POST % (5, b"ab\0cd"),
        CHUNKED + b"2\r\nab\r\n3;ext=1\r\n\0cd\r\n0\r\n\r\n",
        CHUNKED + b"5\r\nab\0cd\r\n0\r\nContent-Type: x\r\nIdempotency-Key: y\r\n\r\n",
    ],
)
def test_a_body_is_the_same_in_whatever_pieces_it_comes(request_: bytes) -> None:
    site = Site()
    told(request_, site=site)
    told(*(request_[at : at + 1] for at in range(len(request_))), site=site)
    assert [request.body for request in site.requests] == [b"ab\0cd"] * 2
    # What follows a body is not among the headers.
    assert [len(request.headers) for request in site.requests] == [1, 1]


@pytest.mark.parametrize(
    "request_", [POST % (3, b"{}"), CHUNKED, CHUNKED + b"2\r\n{}\r\n", b"GET / HTTP/1.1\r\n", b"G"]
)
def test_a_request_that_breaks_off_or_stalls_is_refused(request_: bytes) -> None:
    site = Site()
    assert statuses(request_, site=site) == [400]
    site.connections = Connections(site.handle, max_body_bytes=10, patience=0.05)
    assert statuses(request_, ends=False, site=site) == [408]
    assert len(refusals(site)) == len(site.requests) == 2


@pytest.mark.parametrize(
    "body", [POST % (11, b" " * 11), CHUNKED + b"6\r\n123456\r\n" * 2 + b"0\r\n\r\n"]
)
def test_after_a_body_that_was_too_large_the_connection_is_still_good(body: bytes) -> None:
    site = Site()
    assert statuses(body + GET % b"/next", site=site) == [413, 200]
    assert site.requests[0].body == b"" or len(site.requests[0].body) <= 10


@pytest.mark.parametrize(
    "request_",
    [
        POST % (21, b""),
        POST % (10**15, b"{"),
        CHUNKED + b"7\r\n1234567\r\n" * 3,
        # The client waits for our word before it sends the body.
        b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n",
    ],
)
def test_a_body_that_is_far_too_large_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, request_: bytes
) -> None:
    monkeypatch.setattr(http, "MAX_DRAINED_BYTES", 20)
    assert statuses(request_, ends=False) == [413]


@pytest.mark.parametrize(
    "start",
    [
        b"GET /",
        b"GET / HTTP/1.1\r\nName-",
        b"GET / HTTP/1.1\r\nName: ",
        CHUNKED + b"1;",
        CHUNKED + b"1\r\n{\r\n0\r\nTrailer: ",
    ],
)
def test_a_head_without_end_is_refused(start: bytes) -> None:
    site = Site()
    assert statuses(start, *[b"x" * 8192] * 9, ends=False, site=site) == [431]
    many = b"GET / HTTP/1.1\r\n" + b"Name: value\r\n" * 8000
    assert statuses(many, ends=False) == [431]


def test_a_head_may_be_large_and_what_comes_with_it_larger() -> None:
    large = b"GET /%s HTTP/1.1\r\nName: %s\r\n\r\n" % (b"x" * 30_000, b"y" * 30_000)
    site = Site(max_body_bytes=10**6)
    trailer = CHUNKED + b"%x\r\n%s\r\n0\r\nName: value\r\n\r\n" % (10**5, b" " * 10**5)
    assert statuses(large * 5 + trailer + trailer, site=site) == [200] * 7
    body = POST % (90_000, b"")
    assert statuses(body, *[b" " * 9000] * 10, site=site) == [200]


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"hello\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nno header\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length : 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: +2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nContent-Length: -2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"-1\r\n{\r\n",
        CHUNKED + b"1\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_what_is_not_http_or_could_be_read_in_two_ways_is_refused(request_: bytes) -> None:
    """And what comes after it is not read: who knows where it begins."""
    site = Site()
    assert statuses(GET % b"/good" + request_ + GET % b"/more", site=site) == [200, 400]
    assert len(refusals(site)) == 1


@pytest.mark.parametrize("slow", [False, True])
def test_a_client_that_asks_before_it_sends_a_body_is_told_to(slow: bool) -> None:
    expecting = b"POST / HTTP/%s\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n"

    async def talk(client: Client) -> list[int]:
        await client.send(expecting % b"1.1")
        found = [(await client.receive()).status]
        await client.send(b"{}")
        found.append((await client.receive()).status)
        # To HTTP/1.0, that would be the answer.
        await client.send(expecting % b"1.0", b"{}")
        return [*found, (await client.receive()).status]

    assert talking(Site(), talk) == [100, 200, 200]


@pytest.mark.parametrize("count", [1, 2])
def test_a_client_that_sends_no_more_still_gets_its_answers(count: int) -> None:
    site = Site(slow=True)

    async def talk(client: Client) -> list[int]:
        await client.send(GET % b"/" * count)
        client.end_sending()
        await site.until_in_hand()
        await asyncio.sleep(0.01)
        site.slow = False
        site.in_hand.pop()()
        return [answer.status for answer in await client.receive_all()]

    assert talking(site, talk) == [200] * count


@pytest.mark.parametrize(
    "request_",
    [
        GET % b"/",
        GET % b"/a" + GET % b"/b",
        # It has not read that it should go on, so its end is heard of at once.
        b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_the_answer_to_a_client_that_has_gone_does_no_harm(request_: bytes) -> None:
    site = Site(slow=True)

    async def talk(client: Client) -> None:
        await client.send(request_)
        await site.until_in_hand()
        client.close()
        await asyncio.sleep(0.01)
        site.in_hand.pop()()
        await site.until_empty()

    talking(site, talk)
    assert len(site.requests) in (1, 2)


@pytest.mark.parametrize("count", [1, 500])
def test_a_client_that_takes_in_no_answers_gets_no_more_of_them_and_is_dropped(count: int) -> None:
    site = Site(size=500_000, patience=0.05)

    async def talk(client: Client) -> None:
        await client.send(GET % b"/" * count)
        await site.until_empty()

    talking(site, talk)
    assert len(site.requests) < 10


@pytest.mark.parametrize("request_", [GET % b"/", b"GET / HTTP/1.0\r\n\r\n"])
def test_a_client_that_takes_in_no_answer_holds_no_connection(
    monkeypatch: pytest.MonkeyPatch, request_: bytes
) -> None:
    """Though it is a small one, of which nobody says that it is too much."""
    monkeypatch.setattr(http, "KEEP_ALIVE", 0.05)
    site = Site(size=50_000, patience=0.05)

    async def talk(client: Client) -> None:
        await client.send(request_)
        await site.until_empty()

    talking(site, talk, buffer=1)


def test_a_client_that_takes_in_a_large_answer_slowly_is_not_in_a_hurry_afterwards() -> None:
    site = Site(size=1_000_000, patience=0.2)

    async def talk(client: Client) -> int:
        await client.send(GET % b"/")
        await asyncio.sleep(0.05)
        await client.receive()
        await asyncio.sleep(0.4)
        await client.send(GET % b"/")
        return (await client.receive()).status

    assert talking(site, talk) == 200


def test_connections_that_nobody_uses_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "KEEP_ALIVE", 0.05)
    assert statuses(ends=False) == []
    assert statuses(GET % b"/", ends=False) == [200]


def test_an_answer_may_take_longer_than_any_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "KEEP_ALIVE", 0.02)
    site = Site(slow=True, patience=0.02)

    async def talk(client: Client) -> int:
        await client.send(GET % b"/", b"GE")
        await asyncio.sleep(0.1)
        site.in_hand.pop()()
        return (await client.receive()).status

    assert talking(site, talk) == 200


def test_closing_answers_what_was_sent_and_closes_every_connection() -> None:
    site = Site(slow=True, patience=0.3)

    async def main() -> list[list[tuple[int, str | None]]]:
        async with site.running() as connections, AsyncExitStack() as stack:
            clients = [stack.enter_context(closing(await connect(connections))) for _ in range(4)]
            idle, asking, late, stalled = clients
            await asking.send(GET % b"/a" + GET % b"/b")
            await late.send(b"GET /c HTTP/1.1\r\n")
            await stalled.send(b"GET /d HTTP/1.1\r\n")
            await site.until_in_hand()
            ending = asyncio.create_task(connections.close())
            assert await idle.is_closed()
            site.slow = False
            site.in_hand.pop()()
            await late.send(b"\r\n")
            await ending
            return [
                [(a.status, a.headers.get("Connection")) for a in await client.receive_all()]
                for client in (asking, late, stalled)
            ]

    assert run(main()) == [[(200, None), (200, "close")], [(200, "close")], [(408, "close")]]


def test_closing_does_not_wait_for_a_client_that_takes_in_nothing() -> None:
    site = Site(size=50_000, patience=0.05)

    async def talk(client: Client) -> None:
        await client.send(GET % b"/")
        await site.connections.close()

    talking(site, talk, buffer=1)


def test_closing_answers_what_waits_behind_an_answer_that_is_taken_in_slowly() -> None:
    site = Site(size=200_000)

    async def talk(client: Client) -> list[int]:
        await client.send(GET % b"/a" + GET % b"/b")
        await until(lambda: bool(site.requests))
        ending = asyncio.create_task(site.connections.close())
        await asyncio.sleep(0.01)
        answers = await client.receive_all()
        await ending
        return [answer.status for answer in answers]

    assert talking(site, talk, buffer=1) == [200, 200]


def test_headers_are_bounded_in_number() -> None:
    assert statuses(b"GET / HTTP/1.1\r\n" + b"a:1\r\n" * 1_000 + b"\r\n") == [200]
    assert statuses(b"GET / HTTP/1.1\r\n" + b"a:1\r\n" * 3_000 + b"\r\n") == [431]


def test_a_length_of_thousands_of_digits_is_refused() -> None:
    head = b"POST / HTTP/1.1\r\nContent-Length: " + b"0" * 5_000 + b"2\r\n\r\n{}"
    assert statuses(head) == [400]
