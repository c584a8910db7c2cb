"""Whether everything that the service needs can be reached, within a timeout whatever hangs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from threading import Lock, Thread

from ...adapters.system.log import Log
from ...domain.errors import Unavailable
from ...domain.use_cases.check_health import NotWell

log = Log()

OK = "ok"
# Seconds. Longer than the broker's adapter waits for a connection.
TIMEOUT = 3.0


class Readiness:
    """Runs checks side by side, each of them once at a time. Thread-safe."""

    def __init__(self, checks: Mapping[str, Callable[[], None]], timeout: float = TIMEOUT) -> None:
        """`checks` by name: each returns, or raises Unavailable or NotWell."""
        self._checks = checks
        self._timeout = timeout
        self._lock = Lock()
        self._running: dict[str, Future[str]] = {}

    def __call__(self) -> dict[str, str]:
        """By name `ok`, or `unreachable: ` and the reason, or what is not well."""
        states = {name: self._state(name) for name in self._checks}
        wait(states.values(), self._timeout)
        overdue = f"unreachable: no response within {self._timeout:g} seconds"
        return {name: state.result() if state.done() else overdue for name, state in states.items()}

    def _state(self, name: str) -> Future[str]:
        """That of the check that runs already, so that one which hangs takes no further thread."""
        with self._lock:
            state = self._running.get(name)
            if state is None or state.done():
                state = self._running[name] = Future()
                Thread(
                    target=self._check, args=(name, state), name="readiness", daemon=True
                ).start()
            return state

    def _check(self, name: str, state: Future[str]) -> None:
        try:
            self._checks[name]()
        except Unavailable as error:
            log.warning("api.not_ready", check=name, error=str(error))
            state.set_result(f"unreachable: {error}")
        except NotWell as error:
            log.warning("api.degraded", check=name, error=str(error))
            state.set_result(str(error))
        except Exception:
            log.exception("api.check_crashed", check=name)
            state.set_result("unreachable: an unexpected error; the log has more")
        else:
            state.set_result(OK)
