"""The HTTP API as text, from the OpenAPI document that the API serves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import attrs

from order_aggregator.adapters.memory import MemoryStorage
from order_aggregator.entrypoints.api.app import create_app
from order_aggregator.entrypoints.api.services import ApiServices

_METHODS = ("get", "post", "put", "patch", "delete")


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document. It comes from the code, so no service is called."""
    needed = [each for each in attrs.fields(ApiServices) if each.default is attrs.NOTHING]
    unused: dict[str, Any] = {each.name: None for each in needed}
    services = ApiServices(**unused | {"read_model": MemoryStorage().read_model})
    client = create_app(services).test_client()
    loaded: dict[str, Any] = client.get("/v1/api/openapi.json").get_json()
    return loaded


def markdown() -> str:
    """The calls by their tags, then the objects that they take and give."""
    described = document()
    lines = [described["info"]["description"], ""]
    for tag in described["tags"]:
        calls = [call for call in _calls(described) if tag["name"] in call[2].get("tags", ())]
        if calls:
            lines += [f"## {tag['description']}: `{tag['name']}`", ""]
        for method, path, operation in calls:
            lines += _call(method, path, operation)
    lines += ["## Objects", ""]
    for name, schema in described["components"]["schemas"].items():
        lines += [f"### {name}", "", schema.get("description", ""), "", *_fields(schema)]
    return "\n".join(lines)


def _calls(described: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in described["paths"].items():
        for method in _METHODS:
            if method in item:
                operation = dict(item[method])
                shared = item.get("parameters", [])
                operation["parameters"] = [*shared, *operation.get("parameters", [])]
                yield method.upper(), path, operation


def _call(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"### `{method} {path}`", "", operation["summary"], "")
    yield from (operation.get("description", ""), "")
    if operation["parameters"]:
        yield from ("| parameter | in | form | |", "|---|---|---|---|")
        for each in map(_resolved, operation["parameters"]):
            name = f"`{each['name']}`" + (" *" if each.get("required") else "")
            said = _cell(each.get("description", ""))
            yield f"| {name} | {each['in']} | {_form(each['schema'])} | {said} |"
        yield ""
    if "requestBody" in operation:
        yield from _body(operation["requestBody"])
    yield from ("| answer | | body |", "|---|---|---|")
    for status, answer in sorted(operation["responses"].items()):
        bodies = [_form(body["schema"]) for body in answer.get("content", {}).values()]
        yield f"| {status} | {_cell(answer['description'])} | {', '.join(bodies)} |"
    yield ""


def _body(body: Mapping[str, Any]) -> Iterator[str]:
    for kind, content in body["content"].items():
        schema = content["schema"]
        forms = schema.get("oneOf") or schema.get("anyOf") or [schema]
        yield from (f"Body, `{kind}`" + (", one of:" if len(forms) > 1 else ":"), "")
        for form in forms:
            if "$ref" in form:
                yield from (_form(form), "")
            else:
                yield from _fields(form)
        examples = content.get("examples", {"": {"value": content.get("example")}})
        for example in examples.values():
            if example["value"] is not None:
                yield from ("```json", json.dumps(example["value"], indent=2), "```", "")


def _fields(schema: Mapping[str, Any]) -> Iterator[str]:
    properties = schema.get("properties")
    if not properties:
        yield from (_form(schema), "")
        return
    yield from ("| field | form | |", "|---|---|---|")
    for name, field in properties.items():
        marked = f"`{name}`" + (" *" if name in schema.get("required", ()) else "")
        yield f"| {marked} | {_form(field)} | {_cell(field.get('description', ''))} |"
    yield ""


def _form(schema: Mapping[str, Any]) -> str:
    """What a value has to be, on a line."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for several in ("oneOf", "anyOf", "allOf"):
        if several in schema:
            return " or ".join(_form(each) for each in schema[several])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return "list of " + _form(schema["items"]) + _bounds(schema)
    if isinstance(values := schema.get("additionalProperties"), dict) and values:
        return "object of " + _form(values)
    form = schema.get("format") or schema.get("type", "any")
    return f"{form}{_bounds(schema)}" + (" or null" if schema.get("nullable") else "")


def _bounds(schema: Mapping[str, Any]) -> str:
    for low, high, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", ""),
    ):
        if low in schema and high in schema:
            return f", {schema[low]} to {schema[high]}{unit}"
        if high in schema:
            return f", up to {schema[high]}{unit}"
        if low in schema:
            return f", at least {schema[low]}{unit}"
    return ""


def _resolved(parameter: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in parameter:
        return parameter
    name = parameter["$ref"].rpartition("/")[2]
    shared: Mapping[str, Any] = document()["components"]["parameters"][name]
    return shared


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
