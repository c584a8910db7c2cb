"""How often each token was used today: counted here, and told the storage now and then.

What a process knows is what the storage said last and what it has counted since. So no request
waits for the database, and a quota is exact but for the few seconds until all processes know.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from threading import Event, Lock, Thread
from time import monotonic

import attrs

from ...adapters.system.log import Log
from ...domain.access import AccessToken, Principal
from ...domain.errors import CommitOutcomeUnknown, Conflict, Unavailable
from ...domain.ports.clock import Clock
from ...domain.use_cases.token_actions import TokenActions
from .rate_limit import Allowance, Policy, RateLimited

log = Log()

DAILY = "daily"
SECONDS_PER_DAY = 86_400
# Seconds: uses of tokens with a quota are told as often as tokens are read, others now and then.
TELL_EVERY = 2.0
TELL_OTHERS_EVERY = 60.0


class DailyQuotaUsed(RateLimited):
    """The caller has asked as often as it may in a day. In seconds."""

    def __init__(self, quota: int, retry_after: int) -> None:
        super().__init__(retry_after, f"all {quota} requests of the day (UTC) are used")


@attrs.define(kw_only=True)
class _Uses:
    """Those of one token, on one day."""

    token_id: str
    quota: int | None
    day: date
    # By all processes, as far as the storage has said.
    known: int = 0
    # Here, since; and those that the storage is being told of.
    untold: int = 0
    on_the_way: int = 0
    # Whether it was used since it was told, counted or not; and when that was.
    is_fresh: bool = False
    told_at: float = float("-inf")

    @property
    def left(self) -> int | None:
        """How many more there may be."""
        return self.quota and max(0, self.quota - self.known - self.untold - self.on_the_way)

    def turn_to(self, day: date) -> None:
        """Begin anew, if it is a new day."""
        if day > self.day:
            self.day, self.known, self.untold, self.on_the_way = day, 0, 0, 0

    def is_due(self, now: float) -> bool:
        """Whether it is time to tell of it."""
        if self.quota is not None and self.untold:
            return True
        return self.is_fresh and now - self.told_at >= TELL_OTHERS_EVERY


class TokenUses:
    """Counts the requests of each token. Thread-safe."""

    def __init__(self, tokens: TokenActions, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock
        # By the id of the principal.
        self._uses: dict[str, _Uses] = {}
        self._lock = Lock()
        self._closing = Event()
        self._teller: Thread | None = None
        # Whether a storage that does not answer was waited for at the end: once is enough.
        self._gave_up = False

    def close(self) -> None:
        """Tell of all uses, and return when that is done."""
        self._closing.set()
        if self._teller is not None:
            self._teller.join()
        if not self._gave_up:
            self._tell(self._fresh())

    def learn(self, tokens: Iterable[AccessToken], day: date) -> None:
        """Take in what was just read: these tokens, and no others, are known from now on."""
        learnt = {}
        with self._lock:
            for token in tokens:
                uses = self._uses.get(token.principal_id) or _Uses(
                    token_id=token.id, quota=token.daily_quota, day=day
                )
                uses.turn_to(day)
                # What was on the way may be in there already: its own answer says more.
                if uses.day == day and not uses.on_the_way:
                    uses.known = max(uses.known, token.requests_on(day))
                learnt[token.principal_id] = uses
            self._uses = learnt

    def note(self, principal: Principal) -> None:
        """Note that a token was used, whether or not that counts."""
        uses = self._uses.get(principal.id)
        if uses is not None and not uses.is_fresh:
            uses.is_fresh = True
            self._start()

    def take(self, principal: Principal, *, counts: bool = True) -> Allowance | None:
        """Count one request, if it is admitted; None: there is no quota.

        Unless it counts, it just says what is left.
        """
        uses = self._uses.get(principal.id)
        if uses is None:
            return None
        now = self._clock.now()
        with self._lock:
            uses.turn_to(now.date())
            before = uses.left
            if counts and before != 0:
                uses.untold += 1
                uses.is_fresh = True
            left = uses.left
        if uses.quota is None or left is None:
            return None
        reset = _seconds_to_midnight(now)
        policy = Policy(DAILY, uses.quota, SECONDS_PER_DAY)
        return Allowance(policy, left, reset, 0 if before else reset)

    def _start(self) -> None:
        with self._lock:
            if self._teller is None:
                self._teller = Thread(target=self._run, name="token-uses", daemon=True)
                self._teller.start()

    def _run(self) -> None:
        while not self._closing.wait(TELL_EVERY):
            now = monotonic()
            self._tell([uses for uses in self._fresh() if uses.is_due(now)])

    def _fresh(self) -> list[_Uses]:
        with self._lock:
            return [uses for uses in self._uses.values() if uses.is_fresh]

    def _tell(self, fresh: list[_Uses]) -> None:
        if not fresh:
            return
        at = self._clock.now()
        with self._lock:
            for uses in fresh:
                uses.turn_to(at.date())
                uses.on_the_way, uses.untold, uses.is_fresh = uses.untold, 0, False
                uses.told_at = monotonic()
            requests = {uses.token_id: uses.on_the_way for uses in fresh}
        totals = self._note(requests, at)
        self._gave_up = totals is None and self._closing.is_set()
        with self._lock:
            for uses in fresh:
                if uses.day != at.date():
                    continue
                if totals is None:
                    uses.untold += uses.on_the_way
                    uses.is_fresh = True
                else:
                    # Where it says nothing, another machine has begun the next day already.
                    told = uses.known + uses.on_the_way
                    uses.known = totals.get(uses.token_id, told)
                uses.on_the_way = 0

    def _note(self, requests: dict[str, int], at: datetime) -> dict[str, int] | None:
        """How many there are now; None: it could not be told."""
        try:
            return self._tokens.note_uses(requests, at)
        except CommitOutcomeUnknown:
            # Rather not counted than counted twice.
            return {}
        except (Unavailable, Conflict) as error:
            log.debug("access.uses_not_noted", tokens=len(requests), reason=str(error))
        except Exception:
            log.exception("access.uses_not_noted", tokens=len(requests))
        return None


def _seconds_to_midnight(now: datetime) -> int:
    """Of UTC, rounded up."""
    midnight = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
    return -((now - midnight) // timedelta(seconds=1))
