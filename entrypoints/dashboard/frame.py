"""What all pages have in common: how they are rendered, and what is shown instead of one."""

from __future__ import annotations

import re
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote

from flask import Blueprint, Response, g, make_response, redirect, render_template, url_for
from markupsafe import Markup, escape
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import RequestRedirect
from werkzeug.wrappers import Response as AnyResponse

from ...domain.access import ANYONE, Unauthenticated
from ...domain.errors import OrderAggregatorError
from ...domain.use_cases.idempotency import Answer
from ...domain.values import timestamp_text
from ..api import problems
from ..api.access import AUTHORIZATION, principal_of
from ..api.browsers import POLICY
from ..api.problems import RETRY_AFTER_SECONDS
from ..api.services import app_state, current_request
from ..status import age

NAME = "dashboard"
HEADERS = {
    POLICY: "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    # Our own forms say where they come from, and nobody else learns an address.
    "Referrer-Policy": "same-origin",
}
# An API token or a JWT, and what the page after an action says.
TOKEN_COOKIE = "order_aggregator_token"  # noqa: S105 - its name
SAID_COOKIE = "order_aggregator_said"
MAX_SAID = 500

blueprint = Blueprint(
    NAME,
    __name__,
    url_prefix=f"/{NAME}",
    static_folder="static",
    template_folder="templates",
)


@blueprint.before_request
def show_token() -> None:
    """A browser cannot send the header that programs send: its cookie stands for it."""
    request = current_request()
    if token := request.cookies.get(TOKEN_COOKIE):
        request.environ[AUTHORIZATION] = f"Bearer {token}"


@blueprint.after_request
def protect(response: Response) -> Response:
    """Run no script but ours; and keep no page, for the next person at the screen."""
    response.headers.update(HEADERS)
    if response.mimetype == "text/html":
        response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/<path:_rest>")
def nowhere(_rest: str) -> Response:
    """Whatever else is asked for here."""
    raise NotFound("there is no such page")


def page(template: str, status: int = HTTPStatus.OK, **values: Any) -> Response:
    """A page, which also says what the action before it has done."""
    request = current_request()
    said = unquote(request.cookies.get(SAID_COOKIE, ""))
    principal = principal_of(request)
    is_open = principal is not None and principal.id == ANYONE.id
    text = render_template(
        f"{NAME}/{template}",
        principal=None if is_open else principal,
        is_open=is_open,
        said=said[:MAX_SAID],
        **values,
    )
    response = make_response(text, status)
    if said:
        response.delete_cookie(SAID_COOKIE, path=cookie_path(), samesite="Strict")
    return response


def go_on(answer: Answer, address: str) -> AnyResponse:
    """To the page that says what was done: to reload that does nothing again."""
    said = answer.text + (" It was done before; nothing was done again." if answer.replayed else "")
    response = redirect(address, HTTPStatus.SEE_OTHER)
    response.set_cookie(
        SAID_COOKIE, quote(said[:MAX_SAID]), path=cookie_path(), httponly=True, samesite="Strict"
    )
    return response


def cookie_path() -> str:
    """Below which browsers send our cookies."""
    return url_for(f"{NAME}.home")


@blueprint.errorhandler(HTTPException)
@blueprint.errorhandler(OrderAggregatorError)
@blueprint.errorhandler(Exception)
def show_problem(error: Exception) -> Response | HTTPException:
    """Say it as the API does, on a page."""
    if isinstance(error, RequestRedirect):
        return error
    kind, document = problems.example(error)
    if kind is problems.INTERNAL_ERROR:
        problems.from_unexpected(error)
    if isinstance(error, Unauthenticated):
        return _ask_who(error)
    response = page(
        "problem.html",
        kind.status,
        title=kind.title,
        detail=document["detail"],
        errors=document.get("errors", {}),
        is_unauthorized=kind.status == HTTPStatus.FORBIDDEN,
    )
    if kind.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS[0])
    return response


def _ask_who(error: Unauthenticated) -> Response:
    request = current_request()
    wanted = request.form.get("next", "")
    if request.method == "GET":
        wanted = f"{quote(request.path)}?{request.query_string.decode('latin-1')}"
    response = page(
        "login.html",
        HTTPStatus.UNAUTHORIZED,
        problem=str(error) if error.given else None,
        next=wanted,
    )
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


@blueprint.app_template_filter("age")
def age_of(moment: datetime | None) -> str:
    """How long ago it was."""
    if moment is None:
        return "never"
    if "now" not in g:
        # Some clocks ask the database.
        g.now = app_state().services.check_health.clock.now()
    return age(g.now, moment)


@blueprint.app_template_filter("stamp")
def stamp(moment: datetime) -> str:
    """A moment as everywhere in the API."""
    return timestamp_text(moment)


@blueprint.app_template_filter("code")
def code(text: str) -> Markup:
    """The text with what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704
