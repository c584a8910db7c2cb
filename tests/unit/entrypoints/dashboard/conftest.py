from __future__ import annotations

from collections.abc import Iterator

import pytest

from api_under_test import ApiUnderTest
from order_aggregator.entrypoints.api import app


@pytest.fixture(autouse=True)
def _looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "KEEP_HEALTH", -1.0)


@pytest.fixture
def api() -> Iterator[ApiUnderTest]:
    under_test = ApiUnderTest()
    yield under_test
    under_test.close()


@pytest.fixture
def closed() -> Iterator[ApiUnderTest]:
    """An API that asks who calls."""
    under_test = ApiUnderTest(is_open=False)
    yield under_test
    under_test.close()


@pytest.fixture(scope="module")
def untouched() -> Iterator[ApiUnderTest]:
    """An open API that nobody changes."""
    under_test = ApiUnderTest()
    yield under_test
    under_test.close()


@pytest.fixture(scope="module")
def locked() -> Iterator[ApiUnderTest]:
    """One that asks who calls, likewise, and keeps nobody signed in."""
    under_test = ApiUnderTest(is_open=False)
    under_test.client = under_test.app.test_client(use_cookies=False)
    yield under_test
    under_test.close()
