from collections.abc import Iterator

import pytest

from api_under_test import ApiUnderTest


@pytest.fixture
def api() -> Iterator[ApiUnderTest]:
    under_test = ApiUnderTest()
    yield under_test
    under_test.close()
