"""The records of a feed: from its text to what fields are looked up in."""

from __future__ import annotations

import json
import reprlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from xml.etree.ElementTree import Element

import attrs
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from ...domain.errors import InvalidValue
from .text import Source

# Where an entry of an object stands whose keys are the products' ids.
KEY, VALUE = "$key", "$value"


@attrs.frozen
class Record:
    """One row or item, and where it stands."""

    # "line" or "item", from 1.
    unit: str
    number: int
    # All values at a place: none, one, or several where it leads through lists.
    look_up: Callable[[str], list[Any]]
    # The same, without what only stands around it.
    own: Callable[[str], list[Any]]

    @property
    def place(self) -> str:
        """Such as "line 3"."""
        return f"{self.unit} {self.number}"

    def first(self, path: str) -> Any:
        """The first value there, or None."""
        return next(iter(self.look_up(path)), None)


@attrs.frozen(kw_only=True)
class Document:
    """A page of a feed."""

    records: Iterable[Record]
    # Of the whole, not of a record.
    look_up: Callable[[str], list[Any]] = lambda _path: []
    # How it was understood.
    findings: tuple[str, ...] = ()


def read_json(source: Source, items: str | None, *, keyed: bool) -> Document:
    """A document with a list somewhere, or with an object by product id where it is `keyed`."""
    return nested(load_json(source.whole()), items, keyed=keyed)


def read_ndjson(source: Source) -> Document:
    """An object a line."""

    def records() -> Iterator[Record]:
        for number, line in enumerate(source.lines(), start=1):
            if line.strip():
                yield nested_record("line", number, (load_json(line),))

    return Document(records=records())


def read_xml(source: Source, items: str | None, *, keyed: bool) -> Document:
    """Elements by name, whatever their namespace; attributes with an @ before theirs."""
    with no_xml():
        root = fromstring(source.whole().lstrip())
    return nested(from_element(root), items, keyed=keyed, lone=True)


@contextmanager
def no_xml() -> Iterator[None]:
    """What a parser refuses is an InvalidValue."""
    try:
        yield
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise InvalidValue("the document", f"not XML: {error!r}"[:200]) from error


def load_json(text: str) -> object:
    """Read JSON strictly: no NaN, no key twice in one object. Raises InvalidValue."""
    try:
        return json.loads(text, object_pairs_hook=_each_key_once, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        problem = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        beginning = " ".join(text[:40].split())
        beginning = f"it begins with {beginning!r}" if beginning else "it is empty"
        raise InvalidValue("the document", f"not JSON: {problem}; {beginning}") from error


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"key {reprlib.repr(twice)} stands twice in one object")
    return found


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def from_element(element: Element, without: str | None = None) -> object:
    """Text, or an object whose values are lists where a name stands several times.

    `without` names elements that are left out.
    """
    found: dict[str, Any] = {f"@{local_name(name)}": value for name, value in element.items()}
    for child in element:
        name = local_name(str(child.tag))
        if name == without:
            continue
        value = from_element(child)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    text = (element.text or "").strip()
    if not found:
        return text
    return {"#text": text, **found} if text else found


def local_name(name: str) -> str:
    """Without its namespace."""
    return name.rpartition("}")[2]


def nested(document: object, items: str | None, *, keyed: bool, lone: bool = False) -> Document:
    """A document as a whole. `lone`: an element of a list may stand by itself."""

    def records() -> Iterator[Record]:
        for number, scopes in enumerate(found, start=1):
            yield nested_record("item", number, scopes)

    path = items or ""
    if items is not None and not _leads_on(document, items):
        raise InvalidValue(items, f"must be a list of products, but is {show(None)}")
    found = list(_items(document, path, keyed=keyed, lone=lone))
    # A list has nothing of its own.
    whole = document if isinstance(document, dict) else {}
    return Document(records=records(), look_up=lambda asked: list(_values(whole, asked)))


Scopes = tuple[object, ...]


def nested_record(unit: str, number: int, scopes: Scopes) -> Record:
    """What an item lacks, the object around it may have."""

    def look_up(path: str) -> list[Any]:
        for scope in scopes:
            found = list(_values(scope, path))
            if found:
                return found
        return []

    return Record(unit, number, look_up, lambda path: list(_values(scopes[0], path)))


def _items(document: object, path: str, *, keyed: bool, lone: bool) -> Iterator[Scopes]:
    """Each item at the path, the objects around it behind it."""
    for end, around, in_list in _ends(document, path, (), in_list=lone):
        if isinstance(end, list):
            for each in end:
                yield (each, *around)
        elif keyed and isinstance(end, dict):
            for entry in _entries(end):
                yield (entry, *around)
        elif in_list and isinstance(end, dict):
            yield (end, *around)
        elif not in_list or end not in (None, ""):
            said = path or "the document"
            raise InvalidValue(said, f"must be a list of products, but is {show(end)}")


def _ends(
    value: object, path: str, around: Scopes, *, in_list: bool
) -> Iterator[tuple[object, Scopes, bool]]:
    """What is at a path, what is around it, and whether a list led there."""
    if not path:
        yield value, around, in_list
    elif isinstance(value, list):
        for each in value:
            yield from _ends(each, path, around, in_list=True)
    elif isinstance(value, dict):
        for key, rest in _splits(path):
            if key in value:
                yield from _ends(value[key], rest, (value, *around), in_list=in_list)
                return


def _entries(by_id: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key, value in by_id.items():
        inner = value if isinstance(value, dict) else {}
        yield {**inner, KEY: key, VALUE: value}


def _leads_on(document: object, path: str) -> bool:
    if isinstance(document, list):
        return any(_leads_on(each, path) for each in document)
    return isinstance(document, dict) and any(key in document for key, _ in _splits(path))


def _values(value: object, path: str) -> Iterator[Any]:
    """Each value at a path: of a list, those of all its elements."""
    if isinstance(value, list):
        for each in value:
            yield from _values(each, path)
    elif not path:
        yield value
    elif isinstance(value, dict):
        for key, rest in _splits(path):
            if key in value:
                yield from _values(value[key], rest)
                return


def _splits(path: str) -> Iterator[tuple[str, str]]:
    """The key first, and the rest: a key with dots in it comes before what they would part."""
    yield path, ""
    parts = path.split(".")
    for count in range(len(parts) - 1, 0, -1):
        yield ".".join(parts[:count]), ".".join(parts[count:])


def show(value: object) -> str:
    """The value in a message."""
    return "missing" if value is None else reprlib.repr(value)
