"""Which vendors there are: from a file, in JSON a list with an object for each, or in TOML.

`docs/vendors.md` has the keys; any other is refused. A `type` other than `"http"`, `"file"` and
`"remote"` is the name of an entry point in `order_aggregator.vendors`: that is called with the
entry and the folder of the vendors file, and gives the gateway (or raises InvalidValue); its other
keys are its own.
"""

from __future__ import annotations

import codecs
import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import attrs

from ...domain.counting import (
    DEFAULT_CLOCK_TOLERANCE,
    CountsOrders,
    parse_counts_orders,
    parse_duration,
)
from ...domain.errors import InvalidValue
from ...domain.ports.vendor_directory import DeclaredVendor
from ...domain.ports.vendor_gateway import VendorGateway
from ...domain.stock import Vendor
from ...domain.values import check_text
from ...domain.vendor_sync import VendorTerms
from ..system.plugins import VENDOR_PLUGINS, plugin
from .authorization import authorization, secret
from .feed import FeedFormat, values_at, words_told, zone_named
from .file import FileVendorGateway
from .http import HttpVendorGateway
from .ids import read_ids
from .paging import Paging
from .quantities import USUAL_STYLE, Quantities
from .records import load_json
from .remote_file import RemoteFileVendorGateway

MAX_TIMEOUT = 3600
MAX_TEXT_LENGTH = 4000

_REQUIRED = {"id", "name", "type", "format"}
_REQUIRED_BY_TYPE = {"http": {"url"}, "file": {"path"}, "remote": {"url"}}
# How a feed is written: all may stand in any entry.
_WRITING = {
    "encoding",
    "delimiter",
    "header",
    "timezone",
    "numbers",
    "words",
    "where",
    "sellable_when",
    "sum_rows",
    "changes",
    "max_bad_rows",
    "ids",
}
_TERMS = {"every", "max_age", "max_cut", "confirm_after"}
_OPTIONAL = {"fields", "counts_orders", "clock_tolerance", *_TERMS, *_WRITING}
_OPTIONAL_BY_TYPE = {
    "http": {"headers", "timeout", "body", "paging", "auth"},
    "file": set[str](),
    "remote": {"options"},
}
_PAGING = {field.name for field in attrs.fields(Paging)}
_FIELDS = {
    "product_id",
    "name",
    "quantity",
    "items",
    "as_of",
    "acked_through",
    "expected_at",
    "next_page",
}
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


def gateways(given: Iterable[VendorGateway]) -> dict[str, VendorGateway]:
    """Gateways by their vendors' ids; InvalidValue when two have the same."""
    found: dict[str, VendorGateway] = {}
    for gateway in given:
        if gateway.vendor.id in found:
            raise InvalidValue("vendors", f"two vendors have the id {gateway.vendor.id!r}")
        found[gateway.vendor.id] = gateway
    return found


def vendors_from_file(path: Path) -> list[VendorGateway]:
    """Gateways of the vendors in a file; InvalidValue names the entry and field that is wrong."""
    declared, mistakes = read_declared(path)
    if mistakes:
        raise mistakes[0]
    return [gateway_of(each) for each in declared]


def read_declared(path: Path) -> tuple[list[DeclaredVendor], list[InvalidValue]]:
    """The vendors in a file, and what is wrong with the entries of others.

    InvalidValue where the file is no list of vendors at all.
    """
    try:
        text = path.read_text("utf-8-sig")
        entries = _load_toml(text) if path.suffix == ".toml" else load_json(text)
    except OSError as error:
        raise _mistake(path, f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise _mistake(path, f"not UTF-8 at byte {error.start}") from error
    except InvalidValue as error:
        raise _mistake(path, error.expected) from error
    if not isinstance(entries, list):
        raise _mistake(path, "must be a list of vendors")
    found: dict[str, DeclaredVendor] = {}
    mistakes = []
    for number, entry in enumerate(entries, start=1):
        try:
            declared = declare(entry, path.parent.absolute(), from_file=True)
        except InvalidValue as error:
            mistakes.append(_mistake(path, f"vendor {number}, {error}"))
            continue
        if found.setdefault(declared.vendor.id, declared) is not declared:
            problem = f"vendor {number}, id: is that of another: {declared.vendor.id!r}"
            mistakes.append(_mistake(path, problem))
    return [*found.values()], mistakes


def declare(entry: object, folder: Path, *, from_file: bool = False) -> DeclaredVendor:
    """The vendor of an entry; InvalidValue names the field that is wrong."""
    vendor = _gateway(entry, folder).vendor
    # What was read from TOML may hold dates, which no key takes.
    text = json.dumps(entry, sort_keys=True, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidValue("entry", "must not have half a surrogate pair") from error
    return DeclaredVendor(vendor=vendor, entry=text, folder=str(folder), from_file=from_file)


def gateway_of(declared: DeclaredVendor) -> VendorGateway:
    """How it is asked. InvalidValue where its entry cannot be used here."""
    return _gateway(json.loads(declared.entry), Path(declared.folder))


def _load_toml(text: str) -> object:
    try:
        return tomllib.loads(text).get("vendor")
    except tomllib.TOMLDecodeError as error:
        raise InvalidValue("the document", f"not TOML: {error}") from error


def _mistake(path: Path, problem: str) -> InvalidValue:
    return InvalidValue("vendors_file", f"{path}: {problem}")


def _gateway(entry: object, folder: Path) -> VendorGateway:
    if not isinstance(entry, dict):
        raise InvalidValue("entry", "must be an object")
    kind = entry.get("type")
    if not isinstance(kind, str) or kind not in _REQUIRED_BY_TYPE:
        return _from_plugin(kind, entry, folder)
    required = _REQUIRED | _REQUIRED_BY_TYPE[kind]
    _check_keys(entry, required, required | _OPTIONAL | _OPTIONAL_BY_TYPE[kind])
    vendor = Vendor(id=entry["id"], name=entry["name"])
    feed_format = _feed_format(entry, folder)
    if kind == "http":
        return HttpVendorGateway(
            vendor=vendor,
            url=_text(entry, "url"),
            feed_format=feed_format,
            terms=_terms(entry),
            headers=_headers(entry.get("headers", {}), folder),
            timeout=_timeout(entry.get("timeout", 60)),
            body=_body(entry.get("body")),
            paging=_paging(entry["paging"]) if "paging" in entry else Paging(),
            auth=authorization(entry["auth"], folder) if "auth" in entry else None,
        )
    if feed_format.next_page is not None:
        raise InvalidValue("fields.next_page", "means nothing in a file")
    if kind == "remote":
        return RemoteFileVendorGateway(
            vendor=vendor,
            url=_text(entry, "url"),
            feed_format=feed_format,
            terms=_terms(entry),
            options=_options(entry.get("options", {}), folder),
        )
    path = folder / _text(entry, "path")
    return FileVendorGateway(vendor=vendor, path=path, feed_format=feed_format, terms=_terms(entry))


def _from_plugin(kind: object, entry: dict[str, Any], folder: Path) -> VendorGateway:
    try:
        make = plugin(VENDOR_PLUGINS, kind) if isinstance(kind, str) else None
    except ValueError as error:
        raise InvalidValue("type", str(error)) from error
    if make is None:
        raise InvalidValue("type", 'must be "http", "file" or "remote", or the name of a plug-in')
    gateway: VendorGateway = make(entry, folder)
    return gateway


def _check_keys(given: Iterable[str], required: Iterable[str], allowed: Iterable[str]) -> None:
    for key in sorted(set(required) - set(given)):
        raise InvalidValue(key, "is missing")
    for key in sorted(set(given) - set(allowed)):
        raise InvalidValue(repr(key), f"is no key here; there are {', '.join(sorted(allowed))}")


def _feed_format(entry: dict[str, Any], folder: Path) -> FeedFormat:
    fields = entry.get("fields", {})
    if not isinstance(fields, dict):
        raise InvalidValue("fields", "must be an object")
    writing = _writing(entry, folder)
    if not writing["header"]:
        # Columns by number.
        fields = {key: _numbers_as_text(value) for key, value in fields.items()}
    try:
        _check_keys(fields, (), _FIELDS)
        return FeedFormat(kind=entry["format"], **fields, **writing)
    except InvalidValue as error:
        if error.field == "format":
            raise
        raise InvalidValue(f"fields.{error.field}", error.expected) from error


def _numbers_as_text(place: object) -> object:
    if isinstance(place, list):
        return [_numbers_as_text(each) for each in place]
    return str(place) if isinstance(place, int) else place


def _writing(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    words = words_told(entry.get("words", {}))
    return {
        "encoding": _encoding(entry.get("encoding")),
        "delimiter": _delimiter(entry.get("delimiter")),
        "header": _flag(entry, "header", default=True),
        "timezone": zone_named(entry["timezone"]) if "timezone" in entry else None,
        "quantities": Quantities(entry.get("numbers", USUAL_STYLE), words),
        "where": values_at(entry.get("where", {}), "where"),
        "sellable_when": values_at(entry.get("sellable_when", {}), "sellable_when"),
        "changes": _flag(entry, "changes", default=False),
        "sum_rows": _flag(entry, "sum_rows", default=False),
        "max_bad_rows": _max_bad_rows(entry.get("max_bad_rows")),
        "ids": None if "ids" not in entry else read_ids(folder / _text(entry, "ids")),
    }


def _flag(entry: dict[str, Any], key: str, *, default: bool) -> bool:
    value = entry.get(key, default)
    if not isinstance(value, bool):
        raise InvalidValue(key, "must be true or false")
    return value


def _encoding(name: object) -> str | None:
    if name is None:
        return None
    try:
        return _text_encoding(name) if isinstance(name, str) else _refuse_encoding()
    except (LookupError, ValueError):
        return _refuse_encoding()


def _text_encoding(name: str) -> str:
    """Its usual name, if it is one of text: there are others, as of numbers in hex."""
    "".encode(name)
    return codecs.lookup(name).name


def _refuse_encoding() -> NoReturn:
    raise InvalidValue("encoding", 'must be the name of an encoding, such as "windows-1252"')


def _delimiter(delimiter: object) -> str | None:
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1):
        raise InvalidValue("delimiter", "must be one character")
    return delimiter


def _max_bad_rows(number: object) -> int | None:
    if number is None:
        return None
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise InvalidValue("max_bad_rows", "must be a whole number from 0 up")
    return number


def _terms(entry: dict[str, Any]) -> VendorTerms:
    tolerance = DEFAULT_CLOCK_TOLERANCE
    if "clock_tolerance" in entry:
        tolerance = parse_duration(entry["clock_tolerance"], "clock_tolerance")
    counts_orders = CountsOrders(clock_tolerance=tolerance)
    if "counts_orders" in entry:
        counts_orders = parse_counts_orders(entry["counts_orders"], tolerance)
    told: dict[str, Any] = {
        key: parse_duration(entry[key], key)
        for key in ("every", "max_age", "confirm_after")
        if key in entry
    }
    if "max_cut" in entry:
        told["max_cut"] = _max_cut(entry["max_cut"])
    return VendorTerms(counts_orders=counts_orders, **told)


def _max_cut(share: object) -> float | None:
    # TOML has no null.
    if share in (None, "none"):
        return None
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise InvalidValue("max_cut", "must be more than 0, and at most 1, or none")
    return float(share)


def _text(entry: dict[str, Any], key: str) -> str:
    value = entry[key]
    check_text(value, key, MAX_TEXT_LENGTH)
    return str(value)


def _body(body: object) -> object:
    if body is not None and not isinstance(body, dict):
        raise InvalidValue("body", "must be an object, which is sent as JSON")
    return body


def _paging(told: object) -> Paging:
    if not isinstance(told, dict):
        raise InvalidValue("paging", "must be an object")
    try:
        _check_keys(told, {"by"}, _PAGING)
        return Paging(**told)
    except InvalidValue as error:
        raise InvalidValue(f"paging.{error.field}", error.expected) from error


def _headers(headers: object, folder: Path) -> dict[str, str]:
    if not isinstance(headers, dict):
        raise InvalidValue("headers", "must be an object")
    told = {name: secret(value, f"headers.{name}", folder) for name, value in headers.items()}
    for name, value in told.items():
        if not _HEADER_NAME.fullmatch(name):
            raise InvalidValue("headers", f"{name!r} is no name of a header")
        if not _HEADER_VALUE.fullmatch(value):
            raise InvalidValue(f"headers.{name}", "must be printable ASCII text")
    return told


def _options(options: object, folder: Path) -> dict[str, Any]:
    if not isinstance(options, dict):
        raise InvalidValue("options", "must be an object")
    return {
        name: secret(value, f"options.{name}", folder) if isinstance(value, dict) else value
        for name, value in options.items()
    }


def _timeout(seconds: object) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidValue("timeout", "must be a number of seconds")
    if not 0 < seconds <= MAX_TIMEOUT:
        raise InvalidValue("timeout", f"must be more than 0, and at most {MAX_TIMEOUT}")
    return float(seconds)
