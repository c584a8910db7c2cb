"""Lists in JSON and XML that are too long to be read as a whole: element by element."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from typing import Any
from xml.etree.ElementTree import Element

import ijson  # type: ignore[import-untyped]
from defusedxml.ElementTree import iterparse

from ...domain.errors import InvalidValue
from .records import Document, Record, from_element, local_name, nested, nested_record, no_xml
from .text import Source

# Below, a document is read as a whole: that is faster, and any path may be looked up.
LARGE = 16 * 1024 * 1024


def stream_json(source: Source, items: str | None) -> Document | None:
    """A document with a list at the end of keys; None where there is none."""
    path = items or ""
    if source.encoding not in ("utf-8", "utf-8-sig"):
        return None
    with _no_json():
        if not _leads_to_list(source, path):
            return None
    look_up = _look_up_in(source)
    parents = _parents_of(path)

    def records() -> Iterator[Record]:
        with _no_json():
            for number, item in enumerate(_values(source, _joined(path, "item")), start=1):
                yield _in_its_place(nested_record("item", number, (item,)), parents, look_up)

    return Document(records=records(), look_up=look_up if path else lambda _path: [])


def stream_xml(source: Source, items: str | None) -> Document | None:
    """Elements at the end of a path; None where none is told, so that all has to be read."""
    if not items:
        return None
    wanted = items.split(".")
    roots: list[Element] = []

    def records() -> Iterator[Record]:
        parent: Element | None = None
        scopes: tuple[object, ...] = ()
        with no_xml():
            for number, (item, *around) in enumerate(_elements(source, wanted, roots), start=1):
                if parent is not around[0]:
                    parent = around[0]
                    # What stands before the first item: what comes later is not read yet.
                    pairs = zip(around, reversed(wanted), strict=True)
                    scopes = tuple(from_element(each, without=name) for each, name in pairs)
                yield nested_record("item", number, (from_element(item), *scopes))
                parent.remove(item)

    def look_up(path: str) -> list[Any]:
        # What is left of it, once its items are read.
        whole = nested([from_element(roots[0])], None, keyed=False)
        return next(iter(whole.records)).look_up(path)

    return Document(records=records(), look_up=look_up)


def _elements(
    source: Source, wanted: list[str], roots: list[Element]
) -> Iterator[tuple[Element, ...]]:
    """Each element at the path, and those around it, the innermost first."""
    opened: list[Element] = []
    with source.text() as text:
        for event, element in iterparse(text, events=("start", "end")):
            if event == "start":
                opened.append(element)
                roots[:] = opened[:1]
                continue
            if len(opened) == len(wanted) + 1 and wanted == [
                local_name(str(each.tag)) for each in opened[1:]
            ]:
                yield tuple(reversed(opened))
            opened.pop()


def _in_its_place(
    record: Record, parents: list[str], look_up: Callable[[str], list[Any]]
) -> Record:
    """What an item lacks, the objects around it may have."""

    def with_parents(path: str) -> list[Any]:
        found = record.own(path)
        for parent in parents:
            found = found or look_up(_joined(parent, path))
        return found

    return Record(record.unit, record.number, with_parents, record.own)


def _parents_of(path: str) -> list[str]:
    """The objects around a list, the innermost first."""
    if not path:
        return []
    parts = path.split(".")
    return [".".join(parts[:length]) for length in range(len(parts) - 1, -1, -1)]


def _look_up_in(source: Source) -> Callable[[str], list[Any]]:
    @cache
    def look_up(path: str) -> list[Any]:
        with _no_json():
            return [*islice(_values(source, path), 1)]

    return look_up


def _leads_to_list(source: Source, path: str) -> bool:
    source.file.seek(0)
    for prefix, event, _ in ijson.parse(source.file, use_float=True):
        if prefix == path:
            return bool(event == "start_array")
    return False


def _values(source: Source, path: str) -> Iterator[Any]:
    """Each value at a path. Others may read the file meanwhile."""
    yield from ijson.items(_Apart(source), path, use_float=True)


class _Apart:
    """Reads a file by a position of its own."""

    def __init__(self, source: Source) -> None:
        self._file = source.file
        self._position = 0

    def read(self, size: int) -> bytes:
        self._file.seek(self._position)
        chunk = self._file.read(size)
        self._position += len(chunk)
        return chunk


class _no_json:  # noqa: N801 - used like a function
    """What a parser refuses is an InvalidValue."""

    def __enter__(self) -> None: ...

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, ijson.JSONError | UnicodeDecodeError):
            text = " ".join(str(error).split())[:200]
            raise InvalidValue("the document", f"not JSON: {text}") from error


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
