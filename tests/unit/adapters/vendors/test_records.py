"""Where records stand, and what is looked up in them."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest

from order_aggregator.adapters.vendors.csv_rows import read_csv
from order_aggregator.adapters.vendors.records import (
    Document,
    read_json,
    read_ndjson,
    read_xml,
)
from order_aggregator.adapters.vendors.text import Source
from order_aggregator.domain.errors import InvalidValue


def _source(text: str) -> Source:
    return Source(file=BytesIO(text.encode()), encoding="utf-8")


def _all(document: Document, *paths: str) -> list[tuple[str, list[list[Any]]]]:
    return [(r.place, [r.look_up(path) for path in paths]) for r in document.records]


def test_json_items_and_what_is_around_them() -> None:
    text = '{"at": 1, "a": {"b": [{"x": 1}, {"x": [2, 3], "at": 4}]}}'
    document = read_json(_source(text), "a.b", keyed=False)
    assert _all(document, "x", "at", "y") == [
        ("item 1", [[1], [1], []]),
        ("item 2", [[2, 3], [4], []]),
    ]
    assert document.look_up("at") == [1]


def test_what_stands_around_an_item_is_not_its_own() -> None:
    document = read_json(_source('{"at": 1, "a": [{"x": 1}]}'), "a", keyed=False)
    [record] = document.records
    assert (record.look_up("at"), record.own("at"), record.own("x")) == ([1], [], [1])


def test_an_object_by_key() -> None:
    document = read_json(_source('{"A": 5, "B": {"n": 2}}'), None, keyed=True)
    assert _all(document, "$key", "$value", "n") == [
        ("item 1", [["A"], [5], []]),
        ("item 2", [["B"], [{"n": 2}], [2]]),
    ]


def test_a_line_an_object() -> None:
    document = read_ndjson(_source('{"x": 1}\n\n{"x": 2}\n'))
    assert _all(document, "x") == [("line 1", [[1]]), ("line 3", [[2]])]
    with pytest.raises(InvalidValue, match="not JSON"):
        list(read_ndjson(_source('{"x": 1}\n{')).records)


def test_xml_as_if_it_were_json() -> None:
    text = '<a n="1"><b><x>1</x></b><b k="2"><x>2</x><x>3</x></b></a>'
    document = read_xml(_source(text), "b", keyed=False)
    assert _all(document, "x", "@k", "@n") == [
        ("item 1", [["1"], [], ["1"]]),
        ("item 2", [["2", "3"], ["2"], ["1"]]),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "~"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_csv_by_any_delimiter_and_end_of_line(delimiter: str, end: str) -> None:
    lines = [["Sku", "Text, with; all|of~it"], ["a", "1"], ["b", "2"]]
    text = end.join(delimiter.join(f'"{cell}"' for cell in line) for line in lines)
    document = read_csv(_source(text), ["sku"], delimiter=None, header=True)
    assert _all(document, "SKU") == [("line 2", [["a"]]), ("line 3", [["b"]])]
    assert document.findings == (f"delimiter {delimiter!r}",)


def test_csv_without_headings_by_number() -> None:
    document = read_csv(_source("a~1\nb~2~x\n"), ["1"], delimiter="~", header=False)
    assert _all(document, "1", "3") == [("line 1", [["a"], []]), ("line 2", [["b"], ["x"]])]


def test_a_cell_may_hold_lines() -> None:
    document = read_csv(_source('sku,text\na,"x\ny"\nb,z\n'), ["sku"], delimiter=None, header=True)
    assert _all(document, "sku", "text") == [
        ("line 3", [["a"], ["x\ny"]]),
        ("line 4", [["b"], ["z"]]),
    ]


def test_the_headings_are_looked_for_in_the_first_lines_only() -> None:
    title = "a title\n" * 30
    with pytest.raises(InvalidValue, match="must have a column 'sku'"):
        read_csv(_source(f"{title}sku,qty\na,1\n"), ["sku", "qty"], delimiter=",", header=True)
