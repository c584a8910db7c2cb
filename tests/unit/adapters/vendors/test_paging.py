"""From one request for a page to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from order_aggregator.adapters.vendors.feed import PageRead
from order_aggregator.adapters.vendors.paging import PageRequest, Paging
from order_aggregator.domain.errors import InvalidValue

FIRST = PageRequest(url=httpx.URL("http://a.example/stock?size=2"))


def _page(
    said: Mapping[str, object] | None = None, rows: int = 2, next_page: str | None = None
) -> PageRead:
    def look_up(place: str) -> list[object]:
        return [said[place]] if said and place in said else []

    return PageRead(rows=rows, next_page=next_page, look_up=look_up)


def _following(paging: Paging, page: PageRead, pages: int = 1, rows: int = 2) -> str | None:
    response = httpx.Response(200, request=httpx.Request("GET", FIRST.url))
    request = paging.following(FIRST, response, page, pages, rows)
    return None if request is None else str(request.url)


def test_a_parameter_is_put_into_the_query_or_deep_into_the_body() -> None:
    assert str(FIRST.with_parameter("page", 2).url) == "http://a.example/stock?size=2&page=2"
    body = {"query": "…", "variables": {"first": 2}}
    posted = PageRequest(url=FIRST.url, body=body).with_parameter("variables.after", "x")
    assert posted.url == FIRST.url
    assert posted.body == {"query": "…", "variables": {"first": 2, "after": "x"}}
    assert body["variables"] == {"first": 2}
    for there in (None, "text", 5):
        posted = PageRequest(url=FIRST.url, body={"a": there}).with_parameter("a.b", "x")
        assert posted.body == {"a": {"b": "x"}}


@pytest.mark.parametrize("wrong", [{"first": "x"}, {"more": 5}, {"total": 5}, {"first": True}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match=next(iter(wrong))):
        Paging(by="page", parameter="page", **wrong)


def test_by_an_address() -> None:
    assert _following(Paging(), _page(next_page="?2")) == "http://a.example/stock?2"
    assert _following(Paging(), _page()) is None
    with pytest.raises(InvalidValue, match="must be an address"):
        _following(Paging(), _page(next_page="http://a:b/"))


def test_by_the_number_of_the_page() -> None:
    paging = Paging(by="page", parameter="p", first=0)
    assert _following(paging, _page(), pages=3) == "http://a.example/stock?size=2&p=3"
    assert _following(paging, _page(rows=0)) is None


@pytest.mark.parametrize(("total", "goes_on"), [(2, False), (3, True), ("3", True), (True, True)])
def test_by_the_number_of_rows_until_the_total(total: object, *, goes_on: bool) -> None:
    paging = Paging(by="offset", parameter="o", total="all")
    following = _following(paging, _page({"all": total}))
    assert following == ("http://a.example/stock?size=2&o=2" if goes_on else None)


@pytest.mark.parametrize(
    ("said", "goes_on"),
    [
        ({"c": "x"}, True),
        ({"c": "x", "more": True}, True),
        ({"c": "x", "more": False}, False),
        ({"c": ""}, False),
        ({}, False),
    ],
)
def test_by_a_cursor(said: dict[str, object], *, goes_on: bool) -> None:
    more = "more" if "more" in said else None
    paging = Paging(by="cursor", parameter="after", cursor="c", more=more)
    following = _following(paging, _page(said))
    assert following == ("http://a.example/stock?size=2&after=x" if goes_on else None)
