"""How often each token may ask in a day, however many processes it asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from api_under_test import PREFIX, ApiUnderTest
from order_aggregator.domain.access import Principal
from order_aggregator.domain.errors import CommitOutcomeUnknown, StorageUnavailable
from order_aggregator.domain.rate import Rate
from order_aggregator.entrypoints.api import token_uses
from order_aggregator.entrypoints.api.rate_limit import Allowance, Policy
from order_aggregator.entrypoints.api.token_uses import TokenUses
from order_aggregator.testing.race import race
from order_aggregator.testing.shop import Shop
from service import eventually

HOUR = timedelta(hours=1)


class Tokens:
    """A shop with one token, and what its processes know of it."""

    def __init__(self, quota: int | None) -> None:
        self.shop = Shop()
        self.actions = self.shop.token_actions
        self.token, _ = self.actions.create("x", ["admin"], daily_quota=quota)
        self.principal = self.token.principal()
        self.one, self.other = self.process(), self.process()

    def process(self) -> TokenUses:
        made = TokenUses(self.actions, self.shop.clock)
        self.learn(made)
        return made

    def learn(self, uses: TokenUses) -> None:
        uses.learn(self.shop.storage.access_tokens.all(), self.shop.clock.now().date())

    def used(self) -> int:
        [token] = self.shop.storage.access_tokens.all()
        return token.requests_on(self.shop.clock.now().date())

    def before_answer(self, monkeypatch: pytest.MonkeyPatch, step: Callable[[], int]) -> list[int]:
        """Take a step when uses are noted, and before that is said; what it returns."""
        note, done = self.actions.note_uses, []

        def noted(*args: Any) -> dict[str, int]:
            totals = note(*args)
            done.append(step())
            return totals

        monkeypatch.setattr(self.actions, "note_uses", noted)
        return done

    def away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def note(*_args: Any) -> None:
            raise StorageUnavailable("no answer")

        monkeypatch.setattr(self.actions, "note_uses", note)


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(quota=5)


def admitted(uses: TokenUses, principal: Principal, times: int) -> int:
    allowances = [uses.take(principal) for _ in range(times)]
    return sum(each is not None and each.retry_after == 0 for each in allowances)


def tell(uses: TokenUses) -> None:
    uses._tell(uses._fresh())


def test_what_is_left_and_until_when(tokens: Tokens) -> None:
    late = datetime(2026, 3, 1, 22, 59, 59, 500_000, tzinfo=UTC)
    tokens.shop.clock.advance(late - tokens.shop.clock.now())
    uses = tokens.process()
    policy, reset = Policy("daily", 5, 86_400), 3601
    assert uses.take(tokens.principal) == Allowance(policy, 4, reset, 0)
    assert uses.take(tokens.principal, counts=False) == Allowance(policy, 4, reset, 0)
    assert admitted(uses, tokens.principal, 9) == 4
    assert uses.take(tokens.principal) == Allowance(policy, 0, reset, reset)
    tokens.shop.pass_time(hours=2)
    assert uses.take(tokens.principal) == Allowance(policy, 4, 82_801, 0)


def test_processes_know_of_each_other_by_what_they_tell_and_read(tokens: Tokens) -> None:
    assert admitted(tokens.one, tokens.principal, 2) == 2
    tell(tokens.one)
    assert admitted(tokens.other, tokens.principal, 1) == 1
    # It is told by the answer what the first has counted.
    tell(tokens.other)
    assert admitted(tokens.other, tokens.principal, 9) == 2
    tell(tokens.other)
    tokens.learn(tokens.one)
    assert admitted(tokens.one, tokens.principal, 9) == 0
    assert tokens.used() == 5
    # One that is started later knows, too.
    assert admitted(tokens.process(), tokens.principal, 9) == 0


def test_what_was_read_before_it_was_told_takes_nothing_back(tokens: Tokens) -> None:
    earlier = tokens.shop.storage.access_tokens.all()
    assert admitted(tokens.one, tokens.principal, 4) == 4
    tell(tokens.one)
    tokens.one.learn(earlier, tokens.shop.clock.now().date())
    assert admitted(tokens.one, tokens.principal, 9) == 1


def test_what_is_on_its_way_counts_once(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    assert admitted(tokens.one, tokens.principal, 2) == 2

    def meanwhile() -> int:
        # It is there already, and the answer has not come.
        tokens.learn(tokens.one)
        return admitted(tokens.one, tokens.principal, 9)

    done = tokens.before_answer(monkeypatch, meanwhile)
    tell(tokens.one)
    assert done == [3]
    assert admitted(tokens.one, tokens.principal, 9) == 0


def test_an_answer_of_yesterday_says_nothing_of_today(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert admitted(tokens.one, tokens.principal, 5) == 5

    def meanwhile() -> int:
        tokens.shop.pass_time(days=1)
        return admitted(tokens.one, tokens.principal, 1)

    done = tokens.before_answer(monkeypatch, meanwhile)
    tell(tokens.one)
    assert done == [1]
    assert admitted(tokens.one, tokens.principal, 9) == 4


def test_what_cannot_be_told_is_told_later(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    assert admitted(tokens.one, tokens.principal, 3) == 3
    with monkeypatch.context() as patch:
        tokens.away(patch)
        tell(tokens.one)
    assert (admitted(tokens.one, tokens.principal, 9), tokens.used()) == (2, 0)
    tokens.one.close()
    assert tokens.used() == 5


def test_a_new_day_begins_at_nothing_whatever_was_not_told(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert admitted(tokens.one, tokens.principal, 3) == 3
    with monkeypatch.context() as patch:
        tokens.away(patch)
        tell(tokens.one)
    tokens.shop.pass_time(days=1)
    tell(tokens.one)
    assert tokens.used() == 0
    assert admitted(tokens.one, tokens.principal, 9) == 5


def test_threads_that_ask_at_once_are_each_counted() -> None:
    tokens = Tokens(quota=500)
    asked = race([lambda: admitted(tokens.one, tokens.principal, 200)] * 8)
    assert sum(asked) == 500
    tell(tokens.one)
    assert tokens.used() == 500


def test_without_a_quota_requests_are_counted_but_told_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokens = Tokens(quota=None)
    monkeypatch.setattr(token_uses, "TELL_EVERY", 0.01)
    tokens.one.note(tokens.principal)
    assert [tokens.one.take(tokens.principal) for _ in range(3)] == [None] * 3
    eventually(lambda: tokens.used() > 0)
    before = tokens.used()
    tokens.one.take(tokens.principal)
    time.sleep(0.1)
    assert tokens.used() == before
    tokens.one.close()
    assert tokens.used() == 4


def test_with_a_quota_they_are_told_soon(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_uses, "TELL_EVERY", 0.01)
    for count in (1, 2, 3):
        tokens.one.note(tokens.principal)
        tokens.one.take(tokens.principal)
        eventually(lambda count=count: tokens.used() == count)  # type: ignore[misc]
    tokens.one.close()


@pytest.fixture
def api() -> Iterator[ApiUnderTest]:
    """Closed, at the first hour of a day."""
    api = ApiUnderTest(is_open=False)
    api.shop.clock.advance(datetime(2026, 3, 1, 1, tzinfo=UTC) - api.shop.clock.now())
    yield api
    api.close()


def get(api: ApiUnderTest, token: str, path: str = PREFIX + "/stock") -> TestResponse:
    return api.client.get(path, headers={"Authorization": f"Bearer {token}"})


def test_who_has_used_up_the_day_is_told_to_come_back_tomorrow(api: ApiUnderTest) -> None:
    other, token = api.token("stock:read"), api.token("stock:read", daily_quota=2)
    answers = [get(api, token) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["RateLimit"] for answer in answers] == [
        '"daily";r=1;t=82800',
        '"daily";r=0;t=82800',
        '"daily";r=0;t=82800',
    ]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"daily";q=2;w=86400'}
    assert answers[-1].headers["Retry-After"] == "82800"
    assert answers[-1].get_json() == {
        "type": "urn:order-aggregator:problem:too-many-requests",
        "title": "Too many requests",
        "status": 429,
        "detail": "all 2 requests of the day (UTC) are used: the next one is answered in 82800 s",
    }
    assert get(api, other).status_code == 200


def test_both_limits_are_told_and_the_later_one_counts(api: ApiUnderTest) -> None:
    token = api.token("stock:read", daily_quota=3, rate_limit=Rate(2, 60))
    answers = [get(api, token) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    policies = '"default";q=2;w=60, "daily";q=3;w=86400'
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {policies}
    # What comes too soon uses up nothing of the day.
    assert answers[-1].headers["RateLimit"].endswith(', "daily";r=1;t=82800')
    assert int(answers[-1].headers["Retry-After"]) <= 60
    api.services.rate_limiter._full_at.clear()
    assert [get(api, token).status_code for _ in range(2)] == [200, 429]
    answer = get(api, token)
    assert answer.headers["RateLimit"].startswith('"default";r=0;t=')
    assert answer.headers["Retry-After"] == "82800"


def test_those_who_watch_use_up_nothing(api: ApiUnderTest) -> None:
    token = api.token("operate", daily_quota=1)
    for path in ("/metrics", "/metrics", "/dashboard", "/healthz"):
        with suppress(KeyError):
            assert "daily" not in get(api, token, path).headers["RateLimit"]
    assert get(api, token).status_code == 200
    assert get(api, token).status_code == 429


def test_a_process_that_was_idle_since_yesterday_knows_what_was_asked_today(tokens: Tokens) -> None:
    assert admitted(tokens.other, tokens.principal, 1) == 1
    tell(tokens.other)
    tokens.shop.pass_time(days=1)
    assert admitted(tokens.one, tokens.principal, 9) == 5
    tell(tokens.one)
    tokens.learn(tokens.other)
    assert admitted(tokens.other, tokens.principal, 9) == 0


def test_where_another_clock_has_begun_the_next_day_the_quota_holds(tokens: Tokens) -> None:
    tomorrow = tokens.shop.clock.now() + timedelta(days=1)
    tokens.actions.note_uses({tokens.token.id: 1}, tomorrow)
    assert admitted(tokens.one, tokens.principal, 3) == 3
    tell(tokens.one)
    assert admitted(tokens.one, tokens.principal, 9) == 2


def test_what_may_have_been_told_is_not_told_again(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_args: Any) -> None:
        raise CommitOutcomeUnknown("no answer")

    assert admitted(tokens.one, tokens.principal, 3) == 3
    with monkeypatch.context() as patched:
        patched.setattr(tokens.actions, "note_uses", unknown)
        tell(tokens.one)
    tell(tokens.one)
    assert tokens.used() == 0
    assert admitted(tokens.one, tokens.principal, 9) == 2
