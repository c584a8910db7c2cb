"""From one page of a feed over HTTP to the next."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any, Literal

import attrs
import httpx

from ...domain.errors import InvalidValue
from ...domain.values import check_text
from .feed import PageRead

By = Literal["link", "page", "offset", "cursor"]
WAYS: tuple[By, ...] = ("link", "page", "offset", "cursor")


@attrs.frozen(kw_only=True)
class PageRequest:
    """What is asked for one page: an address, and a JSON document to send there, if any."""

    url: httpx.URL
    body: Any = None

    @property
    def key(self) -> tuple[str, str]:
        """The same for the same request."""
        return str(self.url), json.dumps(self.body, sort_keys=True)

    def with_parameter(self, place: str, value: object) -> PageRequest:
        """With a value in the body where there is one, else in the query."""
        if self.body is None:
            return attrs.evolve(self, url=self.url.copy_merge_params({place: str(value)}))
        body = inner = deepcopy(self.body)
        *outer, last = place.split(".")
        for key in outer:
            if not isinstance(inner.get(key), dict):
                inner[key] = {}
            inner = inner[key]
        inner[last] = value
        return attrs.evolve(self, body=body)


@attrs.frozen(kw_only=True)
class Paging:
    """How a feed is cut into pages.

    By an address (`link`): where the format says that it stands in the document, else in the
    `Link` header; by numbers of pages or of rows, until a page is empty or has brought the last of
    `total`; or by a cursor.
    """

    by: By = attrs.field(default="link")
    # Where the number or the cursor goes: in the query, or in the body where one is sent.
    parameter: str = ""
    # The number of the first page.
    first: int = 1
    # Where the cursor stands in the document; missing or empty after the last page.
    cursor: str = ""
    # Where it says if there is another page.
    more: str | None = None
    # Where the number of all rows stands.
    total: str | None = None

    @by.validator
    def _known_way(self, _attribute: object, by: object) -> None:
        if by not in WAYS:
            raise InvalidValue("by", f"must be {', '.join(map(repr, WAYS[:-1]))} or 'cursor'")

    def __attrs_post_init__(self) -> None:
        if type(self.first) is not int:
            raise InvalidValue("first", "must be a whole number")
        for name in ("more", "total"):
            if getattr(self, name) is not None:
                check_text(getattr(self, name), name)
        if self.by in ("page", "offset", "cursor"):
            check_text(self.parameter, "parameter")
        if self.by == "cursor":
            check_text(self.cursor, "cursor")

    def following(
        self, asked: PageRequest, response: httpx.Response, page: PageRead, pages: int, rows: int
    ) -> PageRequest | None:
        """What to ask for next, after so many pages and rows; None after the last.

        Raises InvalidValue for an address that is none.
        """
        match self.by:
            case "link":
                link = page.next_page or response.links.get("next", {}).get("url")
                return self._at(response.url, link)
            case "cursor":
                cursor = _first(page, self.cursor)
                more = self.more is None or bool(_first(page, self.more))
                return asked.with_parameter(self.parameter, cursor) if cursor and more else None
        if not page.rows or ((total := self.total_in(page)) is not None and rows >= total):
            return None
        return asked.with_parameter(
            self.parameter, self.first + pages if self.by == "page" else rows
        )

    def total_in(self, page: PageRead) -> int | None:
        """How many rows there are in all, if the document says so."""
        total = None if self.total is None else _first(page, self.total)
        return total if isinstance(total, int) and not isinstance(total, bool) else None

    def _at(self, url: httpx.URL, link: str | None) -> PageRequest | None:
        if not link:
            return None
        try:
            return PageRequest(url=url.join(link).copy_with(fragment=None))
        except (httpx.InvalidURL, ValueError) as error:
            raise InvalidValue("next", f"must be an address: {error}") from error


def _first(page: PageRead, place: str) -> Any:
    return next(iter(page.look_up(place)), None)
