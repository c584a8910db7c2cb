"""How often each caller may ask, by the generic cell rate algorithm (ITU-T I.371)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from threading import Lock
from time import monotonic_ns
from typing import NamedTuple

from ...domain.errors import OrderAggregatorError
from ...domain.rate import Rate

# As draft-ietf-httpapi-ratelimit-headers has them: lists, with an item for each policy.
REMAINING_HEADER = "RateLimit"
POLICY_HEADER = "RateLimit-Policy"
RATE = "default"
# More callers than this are kept only as long as they have asked lately.
MAX_CALLERS = 10_000
_NS = 1_000_000_000


class RateLimited(OrderAggregatorError):
    """The caller has asked too often. In seconds."""

    def __init__(self, retry_after: int, what: str = "too many requests") -> None:
        super().__init__(f"{what}: the next one is answered in {retry_after} s")
        self.retry_after = retry_after


class Policy(NamedTuple):
    """So many requests in so many seconds."""

    name: str
    quota: int
    window: int

    def header(self) -> str:
        """Its item in `RateLimit-Policy`."""
        return f'"{self.name}";q={self.quota};w={self.window}'


class Allowance(NamedTuple):
    """What a caller may still ask. In seconds, rounded up."""

    policy: Policy
    remaining: int
    # Until all of it may be asked again.
    reset: int
    # Until this request may be repeated; 0: it is admitted.
    retry_after: int

    def header(self) -> str:
        """Its item in `RateLimit`."""
        return f'"{self.policy.name}";r={self.remaining};t={self.reset}'


def allowance_headers(allowances: Iterable[Allowance]) -> dict[str, str]:
    """Those that tell the client of all of them."""
    return {
        POLICY_HEADER: ", ".join(each.policy.header() for each in allowances),
        REMAINING_HEADER: ", ".join(each.header() for each in allowances),
    }


class _Pace(NamedTuple):
    policy: Policy
    # In nanoseconds.
    interval: int
    window: int


class RateLimiter:
    """Counts the requests of each caller in this process. Thread-safe."""

    def __init__(
        self,
        rate: Rate | None = None,
        processes: int = 1,
        clock: Callable[[], int] = monotonic_ns,
    ) -> None:
        """`rate`: of those that have none of their own. `clock`: in nanoseconds.

        Of a rate, each of so many processes admits its share.
        """
        self._rate = rate
        self._processes = processes
        self._clock = clock
        # When each may ask as much again as if it had never asked.
        self._full_at: dict[str, int] = {}
        self._max_callers = MAX_CALLERS
        self._lock = Lock()

    def take(self, caller: str, its_rate: Rate | None = None) -> Allowance | None:
        """Count one request, if it is admitted; None: this caller asks as it likes."""
        rate = its_rate or self._rate
        if rate is None:
            return None
        policy, interval, window = _pace(rate, self._processes)
        now = self._clock()
        with self._lock:
            full_at = self._full_at.get(caller, now)
            full_at = max(full_at, now) + interval
            left = now + window - full_at
            if left < 0:
                return Allowance(policy, 0, _seconds(full_at - interval - now), _seconds(-left))
            self._full_at[caller] = full_at
            if len(self._full_at) > self._max_callers:
                self._forget(now)
        return Allowance(policy, left // interval, _seconds(full_at - now), 0)

    def _forget(self, now: int) -> None:
        self._full_at = {caller: at for caller, at in self._full_at.items() if at > now}
        # So that not each new caller has all others looked at.
        self._max_callers = max(MAX_CALLERS, 2 * len(self._full_at))


@lru_cache(maxsize=256)
def _pace(rate: Rate, processes: int) -> _Pace:
    quota = -(-rate.requests // processes)
    interval = rate.seconds * _NS // quota
    return _Pace(Policy(RATE, quota, rate.seconds), interval, interval * quota)


def _seconds(nanoseconds: int) -> int:
    return -(-nanoseconds // _NS)
