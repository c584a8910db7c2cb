"""Buyers who order all the time, and what must hold afterwards."""

from __future__ import annotations

from collections import Counter
from http import HTTPStatus
from threading import Event, Thread
from typing import Any, Self

import httpx

from service import Service, eventually

PRODUCT = "sku-espresso-beans"
# Slow enough for the stock to outlast every fault.
BUYERS = 4
PAUSE = 0.05


class Buyers:
    """Threads that order one unit after the other, and note every answer."""

    def __init__(self, service: Service) -> None:
        self.accepted: list[str] = []
        self.statuses: Counter[int] = Counter()
        self._service = service
        self._stop = Event()
        self._threads = [Thread(target=self._buy) for _ in range(BUYERS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Order no more, and wait for the answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _buy(self) -> None:
        while not self._stop.wait(PAUSE):
            try:
                answer = self._service.order(PRODUCT)
            except httpx.HTTPError:
                self.statuses[0] += 1
                continue
            self.statuses[answer.status_code] += 1
            if answer.status_code == HTTPStatus.ACCEPTED:
                self.accepted.append(answer.json()["id"])
            elif answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
                assert int(answer.headers["Retry-After"]) >= 1

    def wait_for(self, more: int) -> None:
        """Wait until so many more orders were accepted."""
        goal = len(self.accepted) + more
        eventually(lambda: len(self.accepted) >= goal, 30, f"{more} more orders accepted")


def assert_nothing_lost(service: Service, buyers: Buyers) -> None:
    """Every order answered 202 is fulfilled, and every balance is right."""
    assert set(buyers.statuses) <= {0, HTTPStatus.ACCEPTED, HTTPStatus.SERVICE_UNAVAILABLE}
    service.wait_until_settled(60)
    with httpx.Client(base_url=service.api) as client:
        orders: list[dict[str, Any]] = [
            client.get(f"/order/{order_id}").json() for order_id in buyers.accepted
        ]
    assert {order["status"] for order in orders} == {"fulfilled"}
    service.verify()
