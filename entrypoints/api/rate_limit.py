"""How often each caller may ask, by the generic cell rate algorithm (ITU-T I.371)."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from time import monotonic_ns
from typing import NamedTuple

from ...adapters.system.settings import Rate
from ...domain.errors import OrderAggregatorError

# As draft-ietf-httpapi-ratelimit-headers has them.
REMAINING_HEADER = "RateLimit"
POLICY_HEADER = "RateLimit-Policy"
# More callers than this are kept only as long as they have asked lately.
MAX_CALLERS = 10_000
_NS = 1_000_000_000


class RateLimited(OrderAggregatorError):
    """The caller has asked too often. In seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many requests: the next one is answered in {retry_after} s")
        self.retry_after = retry_after


class Allowance(NamedTuple):
    """What a caller may still ask. In seconds, rounded up."""

    remaining: int
    # Until all of it may be asked again.
    reset: int
    # Until this request may be repeated; 0: it is admitted.
    retry_after: int

    def header(self) -> str:
        """For the client."""
        return f'"default";r={self.remaining};t={self.reset}'


class RateLimiter:
    """Counts the requests of each caller in this process. Thread-safe."""

    def __init__(
        self, rate: Rate, processes: int = 1, clock: Callable[[], int] = monotonic_ns
    ) -> None:
        """Of the rate, each of so many processes admits its share. `clock`: in nanoseconds."""
        quota = -(-rate.requests // processes)
        self.policy = f'"default";q={quota};w={rate.seconds}'
        self._clock = clock
        self._interval = rate.seconds * _NS // quota
        self._window = self._interval * quota
        # When each may ask as much again as if it had never asked.
        self._full_at: dict[str, int] = {}
        self._max_callers = MAX_CALLERS
        self._lock = Lock()

    def take(self, caller: str) -> Allowance:
        """Count one request, if it is admitted."""
        now, interval = self._clock(), self._interval
        with self._lock:
            full_at = self._full_at.get(caller, now)
            full_at = max(full_at, now) + interval
            left = now + self._window - full_at
            if left < 0:
                return Allowance(0, _seconds(full_at - interval - now), _seconds(-left))
            self._full_at[caller] = full_at
            if len(self._full_at) > self._max_callers:
                self._forget(now)
        return Allowance(left // interval, _seconds(full_at - now), 0)

    def _forget(self, now: int) -> None:
        self._full_at = {caller: at for caller, at in self._full_at.items() if at > now}
        # So that not each new caller has all others looked at.
        self._max_callers = max(MAX_CALLERS, 2 * len(self._full_at))


def _seconds(nanoseconds: int) -> int:
    return -(-nanoseconds // _NS)
