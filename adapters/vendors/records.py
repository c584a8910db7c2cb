"""The records of a feed: from its text to what fields are looked up in. No I/O."""

from __future__ import annotations

import csv
import json
import reprlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn
from xml.etree.ElementTree import Element

import attrs
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from ...domain.errors import InvalidValue

# Where an entry of an object stands whose keys are the products' ids.
KEY, VALUE = "$key", "$value"
DELIMITERS = ",;\t|~"
# A title may stand above the headings.
HEADINGS_WITHIN = 20
# Behind the last column.
NOWHERE = 1_000_000


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


def read_json(text: str, items: str | None, *, keyed: bool) -> Document:
    """A document with a list somewhere, or with an object by product id where it is `keyed`."""
    document = load_json(text)
    return _nested(document, items, keyed=keyed, lone=False)


def read_ndjson(text: str) -> Document:
    """An object a line."""

    def records() -> Iterator[Record]:
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield _record("line", number, (load_json(line),))

    return Document(records=records())


def read_xml(text: str, items: str | None, *, keyed: bool) -> Document:
    """Elements by name, whatever their namespace; attributes with an @ before theirs."""
    try:
        root = fromstring(text.lstrip())
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise InvalidValue("the document", f"not XML: {error!r}"[:200]) from error
    return _nested(_from_element(root), items, keyed=keyed, lone=True)


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


def _from_element(element: Element) -> object:
    """Text, or an object whose values are lists where a name stands several times."""
    found: dict[str, Any] = {f"@{_local(name)}": value for name, value in element.items()}
    for child in element:
        name, value = _local(str(child.tag)), _from_element(child)
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


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _nested(document: object, items: str | None, *, keyed: bool, lone: bool) -> Document:
    def records() -> Iterator[Record]:
        for number, scopes in enumerate(found, start=1):
            yield _record("item", number, scopes)

    path = items or ""
    if items is not None and not _leads_on(document, items):
        raise InvalidValue(items, f"must be a list of products, but is {show(None)}")
    found = list(_items(document, path, keyed=keyed, lone=lone))
    # A list has nothing of its own.
    whole = document if isinstance(document, dict) else {}
    return Document(records=records(), look_up=lambda asked: list(_values(whole, asked)))


Scopes = tuple[object, ...]


def _record(unit: str, number: int, scopes: Scopes) -> Record:
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


def read_csv(text: str, wanted: Sequence[str], *, delimiter: str | None, header: bool) -> Document:
    """Rows of cells by heading, in whatever case, or by the number of the column without one.

    The headings are the first line that has all that are `wanted`; InvalidValue without.
    """
    skipped = 0
    if text.startswith("sep=") and (end := text.find("\n")) > 0:
        delimiter, text, skipped = text[4:end].strip("\r"), text[end + 1 :], 1
    given = delimiter
    delimiter = delimiter or _sniffed(text, wanted, header=header)
    rows = _rows(text, delimiter, skipped)
    findings = () if given else (f"delimiter {delimiter!r}",)
    if not header:
        return Document(records=_numbered(rows), findings=findings)
    columns, width = _columns(rows, wanted)
    return Document(records=_headed(rows, columns, width), findings=findings)


def _sniffed(text: str, wanted: Sequence[str], *, header: bool) -> str:
    """The delimiter by which the first lines have most of the headings, else most cells."""
    lines = text.splitlines()[:HEADINGS_WITHIN]
    folded = [_heading(name) for name in wanted]

    def fits(delimiter: str) -> tuple[int, int]:
        try:
            rows = list(csv.reader(lines, delimiter=delimiter))
        except csv.Error:
            # It is told when the rows are read.
            return 0, 0
        if not header:
            return (min((len(row) for row in rows if row), default=0), 0)
        return max(
            ((sum(name in map(_heading, row) for name in folded), len(row)) for row in rows),
            default=(0, 0),
        )

    return max(DELIMITERS, key=fits)


def _rows(text: str, delimiter: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, with the number of the line it ends on."""
    reader = csv.reader(_lines(text), delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            line = reader.line_num + skipped
            raise InvalidValue(f"line {line}", f"not CSV: {error}") from error
        if any(cell.strip() for cell in row):
            yield reader.line_num + skipped, row


def _lines(text: str) -> Iterator[str]:
    """Each with its end. A StringIO would take four times the room of the text."""
    if "\n" not in text:
        text = text.replace("\r", "\n")
    start = 0
    while (end := text.find("\n", start) + 1) > 0:
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]


def _heading(cell: str) -> str:
    return " ".join(cell.split()).casefold()


def _columns(rows: Iterator[tuple[int, list[str]]], wanted: Sequence[str]) -> tuple[_Columns, int]:
    """At which index each heading stands, and how many columns there are."""
    first: list[str] | None = None
    for _, (_, row) in zip(range(HEADINGS_WITHIN), rows, strict=False):
        first = first if first is not None else row
        headings = [_heading(cell) for cell in row]
        if all(_heading(name) in headings for name in wanted):
            twice = [name for name in wanted if headings.count(_heading(name)) > 1]
            if twice:
                raise InvalidValue("header", f"must name {twice[0]!r} once")
            last = max((index for index, name in enumerate(headings) if name), default=-1)
            return _Columns({name: i for i, name in enumerate(headings) if name}), last + 1
    have = {_heading(cell) for cell in first or []}
    lacking = next((name for name in wanted if _heading(name) not in have), wanted[0])
    raise InvalidValue("header", f"must have a column {lacking!r}, but is {show(first or [])}")


def _headed(
    rows: Iterator[tuple[int, list[str]]], columns: _Columns, width: int
) -> Iterator[Record]:
    for line, row in rows:
        if row[0].startswith("#") and not any(row[1:]):
            continue
        if any(cell.strip() for cell in row[width:]):
            # Perhaps a delimiter within a cell: then what follows has slid into other columns.
            look_up = _misfit(len(row), width)
        else:
            look_up = _cells(row, columns)
        yield Record("line", line, look_up, look_up)


class _Columns(dict[str, int]):
    """At which index a place stands, however it is written; far behind the last where it does not.

    Each is worked out once for all rows.
    """

    def __missing__(self, place: str) -> int:
        self[place] = self._find(place)
        return self[place]

    def _find(self, place: str) -> int:
        return self.get(_heading(place), NOWHERE)


class _NumberedColumns(_Columns):
    """Places are numbers, from 1."""

    def _find(self, place: str) -> int:
        return int(place) - 1 if place.isdecimal() and int(place) > 0 else NOWHERE


def _cells(row: list[str], columns: _Columns) -> Callable[[str], list[Any]]:
    def look_up(path: str) -> list[Any]:
        index = columns[path]
        return [row[index]] if index < len(row) else []

    return look_up


def _misfit(cells: int, width: int) -> Callable[[str], list[Any]]:
    def look_up(_path: str) -> list[Any]:
        raise InvalidValue("row", f"must have {width} cells, but has {cells}")

    return look_up


def _numbered(rows: Iterator[tuple[int, list[str]]]) -> Iterator[Record]:
    columns = _NumberedColumns()
    for line, row in rows:
        look_up = _cells(row, columns)
        yield Record("line", line, look_up, look_up)
