"""How often each caller may ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from werkzeug.test import TestResponse

from api_under_test import PREFIX, ApiUnderTest
from order_aggregator.domain.rate import Rate
from order_aggregator.entrypoints.api import rate_limit
from order_aggregator.entrypoints.api.rate_limit import Allowance, Policy, RateLimiter
from order_aggregator.testing.race import race

SECOND = 1_000_000_000
BOLT = {"product_id": "BOLT", "quantity": 1}
POLICY = Policy("default", 3, 6)


class Watch:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 5 * SECOND

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def api(watch: Watch) -> Iterator[ApiUnderTest]:
    """Three requests in six seconds, for each who asks."""
    api = ApiUnderTest(rate_limiter=RateLimiter(Rate(3, 6), clock=watch))
    yield api
    api.close()


def get(api: ApiUnderTest, path: str = PREFIX + "/stock", token: str | None = None) -> TestResponse:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return api.client.get(path, headers=headers)


def retry_after(limiter: RateLimiter, caller: str = "a") -> int:
    allowance = limiter.take(caller)
    assert allowance is not None
    return allowance.retry_after


def test_all_may_be_asked_at_once_and_then_each_when_its_time_has_come(watch: Watch) -> None:
    limiter = RateLimiter(Rate(3, 6), clock=watch)
    assert [limiter.take("a") for _ in range(3)] == [
        Allowance(POLICY, remaining=2, reset=2, retry_after=0),
        Allowance(POLICY, remaining=1, reset=4, retry_after=0),
        Allowance(POLICY, remaining=0, reset=6, retry_after=0),
    ]
    refused = Allowance(POLICY, remaining=0, reset=6, retry_after=2)
    # To be refused costs nothing.
    assert [limiter.take("a") for _ in range(3)] == [refused] * 3
    watch.now += 2 * SECOND - 1
    assert retry_after(limiter) == 1
    watch.now += 1
    assert retry_after(limiter) == 0
    assert retry_after(limiter) == 2
    watch.now += 60 * SECOND
    assert limiter.take("a") == Allowance(POLICY, remaining=2, reset=2, retry_after=0)


def test_nobody_pays_for_another(watch: Watch) -> None:
    limiter = RateLimiter(Rate(1), clock=watch)
    assert retry_after(limiter) == 0
    assert retry_after(limiter) == 1
    assert retry_after(limiter, "b") == 0


def test_a_caller_may_have_a_rate_of_its_own(watch: Watch) -> None:
    for limiter in (RateLimiter(clock=watch), RateLimiter(Rate(1, 60), clock=watch)):
        allowances = [limiter.take("a", Rate(2, 10)) for _ in range(3)]
        assert [each and each.retry_after for each in allowances] == [0, 0, 5]
        assert [each and each.policy for each in allowances] == [Policy("default", 2, 10)] * 3
    assert limiter.take("b") == Allowance(Policy("default", 1, 60), 0, 60, 0)
    assert RateLimiter(clock=watch).take("a") is None


@pytest.mark.parametrize(
    ("requests", "processes", "share"), [(100, 1, 100), (100, 2, 50), (7, 4, 2), (1, 64, 1)]
)
def test_each_process_admits_its_share(requests: int, processes: int, share: int) -> None:
    for given, own in ((Rate(requests, 60), None), (None, Rate(requests, 60))):
        limiter = RateLimiter(given, processes, Watch())
        allowances = [limiter.take("a", own) for _ in range(share + 5)]
        assert {each and each.policy.quota for each in allowances} == {share}
        assert sum(each is not None and each.retry_after == 0 for each in allowances) == share


def test_who_has_not_asked_lately_is_forgotten(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "MAX_CALLERS", 10)
    limiter = RateLimiter(Rate(1), clock=watch)
    for number in range(100):
        limiter.take(f"caller {number}")
        watch.now += SECOND // 2
    assert len(limiter._full_at) <= 10
    assert retry_after(limiter, "caller 99") == 1


def test_threads_that_ask_at_once_are_each_counted(watch: Watch) -> None:
    limiter = RateLimiter(Rate(500), clock=watch)

    def ask() -> int:
        return sum(retry_after(limiter) == 0 for _ in range(200))

    assert sum(race([ask] * 8)) == 500


def test_who_asks_too_often_is_told_when_to_come_back(api: ApiUnderTest, watch: Watch) -> None:
    answers = [get(api) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["RateLimit"] for answer in answers] == [
        '"default";r=2;t=2',
        '"default";r=1;t=4',
        '"default";r=0;t=6',
        '"default";r=0;t=6',
    ]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"default";q=3;w=6'}
    refusal = answers[-1]
    assert refusal.headers["Retry-After"] == "2"
    assert refusal.content_type == "application/problem+json"
    assert refusal.get_json() == {
        "type": "urn:order-aggregator:problem:too-many-requests",
        "title": "Too many requests",
        "status": 429,
        "detail": "too many requests: the next one is answered in 2 s",
    }
    watch.now += 2 * SECOND
    assert get(api).status_code == 200


def test_an_order_too_many_is_not_placed(api: ApiUnderTest) -> None:
    statuses = [api.order(BOLT).status_code for _ in range(5)]
    assert statuses == [202, 202, 202, 429, 429]
    assert api.order_count() == 3


def test_opening_a_stream_counts(api: ApiUnderTest) -> None:
    assert [get(api, PREFIX + "/events").status_code for _ in range(4)][2:] == [200, 429]


def test_callers_are_told_apart_by_their_tokens(api: ApiUnderTest) -> None:
    one, other = api.token("stock:read"), api.token("stock:read")
    assert [get(api, token=one).status_code for _ in range(4)][-1] == 429
    assert get(api, token=other).status_code == 200


def test_the_rate_of_a_token_stands_instead_of_that_of_all(api: ApiUnderTest) -> None:
    token = api.token("stock:read", rate_limit=Rate(5, 60))
    answers = [get(api, token=token) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[0].headers["RateLimit-Policy"] == '"default";q=5;w=60'
    assert answers[-1].headers["Retry-After"] == "12"


def test_what_fails_counts_too(api: ApiUnderTest) -> None:
    token = api.token("orders:read")
    assert [get(api, token=token).status_code for _ in range(4)] == [403, 403, 403, 429]


def test_those_who_watch_are_not_counted(api: ApiUnderTest) -> None:
    for _ in range(4):
        get(api)
    for path in ("/healthz", "/readyz", "/metrics", PREFIX + "/openapi.json"):
        answer = get(api, path)
        assert answer.status_code == 200
        assert "RateLimit" not in answer.headers


def test_without_a_limit_nothing_is_said_of_one() -> None:
    api = ApiUnderTest()
    answers = [get(api) for _ in range(50)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any("RateLimit" in answer.headers for answer in answers)
    api.close()
