"""A flask-smorest blueprint whose operations carry their whole documentation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar, cast
from urllib.parse import parse_qsl

from flask import Request
from flask_smorest import Blueprint  # type: ignore[import-untyped]
from marshmallow import RAISE, Schema, ValidationError
from webargs.flaskparser import FlaskParser

from . import problems
from .problems import InvalidRequest

View = TypeVar("View", bound=Callable[..., Any])


class QueryParser(FlaskParser):
    """Reads query strings strictly: nothing unknown, nothing twice."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {"query": RAISE}  # noqa: RUF012

    def load_querystring(self, req: Request, schema: Schema) -> dict[str, str]:  # noqa: ARG002
        """The parameters, in UTF-8, each of which may stand only once."""
        pairs = _pairs(req.query_string)
        errors = {
            _escape_undecodable(name)[:100]: ["must be UTF-8"]
            for name, value in pairs
            if _escape_undecodable(name + value) != name + value
        }
        times = Counter(name for name, _ in pairs)
        errors |= {
            _escape_undecodable(n)[:100]: ["must not be repeated"] for n in times if times[n] > 1
        }
        if errors:
            raise InvalidRequest(errors)
        return dict(pairs)

    def handle_error(self, error: ValidationError, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Name the fields as everywhere else."""
        messages = cast(dict[str, dict[str, list[str]]], error.messages)
        raise InvalidRequest({name[:100]: m for name, m in messages["query"].items()}) from error


class ApiBlueprint(Blueprint):  # type: ignore[misc]
    """Routes with their documentation."""

    ARGUMENTS_PARSER = QueryParser()

    def operation(
        self,
        method: str,
        rule: str,
        *,
        answer: tuple[int, Schema],
        refusals: Mapping[int, str] | None = None,
        query: type[Schema] | None = None,
        headers: Mapping[str, Any] | None = None,
        finished: bool = False,
        **documentation: Any,
    ) -> Callable[[View], View]:
        """Register a view. `refusals`: the schema of each problem it may answer, by status.

        `finished`: it always gives a finished response, so nothing has to be done to that.
        """
        status, schema = answer
        refused = {405: "Problem", 500: "Problem"} | dict(refusals or {})

        def decorate(view: View) -> View:
            decorated = self.response(status, schema, headers=headers)(view)
            if query is not None:
                decorated = self.arguments(query, location="query")(decorated)
                refused[422] = "InvalidRequest"
            responses = {code: _problem(code, refused[code]) for code in sorted(refused)}
            documented = self.doc(responses=responses, **documentation)(decorated)
            if finished:
                view._apidoc = documented._apidoc  # type: ignore[attr-defined]  # noqa: SLF001
            registered: View = self.route(rule, methods=[method])(view if finished else documented)
            return registered

        return decorate


def _pairs(query: bytes) -> list[tuple[str, str]]:
    """Names and values; bytes that are no UTF-8 become surrogates, which no UTF-8 becomes.

    Werkzeug instead leaves them as they were escaped, as if somebody had asked for `%FF`.
    """
    undecoded = "surrogateescape"
    return parse_qsl(query.decode(errors=undecoded), keep_blank_values=True, errors=undecoded)


def _escape_undecodable(text: str) -> str:
    """The text with such bytes spelt out."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _problem(status: int, schema: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    response: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {problems.CONTENT_TYPE: {"schema": reference}},
    }
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["headers"] = {
            "Retry-After": {
                "description": "Seconds to wait before another attempt.",
                "required": True,
                "schema": {"type": "integer", "minimum": 0},
            }
        }
    return response
