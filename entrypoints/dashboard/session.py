"""Signing in and out: a browser keeps an API token or a JWT in a cookie that only we get."""

from __future__ import annotations

import re
from http import HTTPStatus

from flask import Request, Response, redirect, url_for
from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Response as AnyResponse

from ...domain.access import OPERATE, InsufficientScope, Unauthenticated
from ..api.problems import InvalidRequest
from ..api.services import app_state, current_request
from .frame import TOKEN_COOKIE, blueprint, cookie_path, page

# As RFC 6750, 2.1 has credentials. Browsers drop cookies of more than 4096 bytes.
_CREDENTIALS = re.compile(r"[A-Za-z0-9._~+/-]+=*")
MAX_LENGTH = 4000


@blueprint.get("/login")
def login() -> Response:
    """Ask for a token."""
    return page("login.html", problem=None, next="")


@blueprint.post("/login")
def sign_in() -> AnyResponse:
    """Keep a token that may operate."""
    request = current_request()
    require_own_form(request)
    token = request.form.get("token", "").strip()
    if not 1 <= len(token) <= MAX_LENGTH:
        raise InvalidRequest({"token": [f"must have 1 to {MAX_LENGTH} characters"]})
    if not _CREDENTIALS.fullmatch(token):
        raise Unauthenticated("this is no token")
    principal = app_state().services.gate.principal(f"Bearer {token}")
    if not principal.may(OPERATE):
        raise InsufficientScope([OPERATE])
    response = redirect(_wanted(request), HTTPStatus.SEE_OTHER)
    response.set_cookie(
        TOKEN_COOKIE,
        token,
        path=cookie_path(),
        secure=request.is_secure,
        httponly=True,
        samesite="Strict",
    )
    return response


@blueprint.post("/logout")
def sign_out() -> AnyResponse:
    """Forget the token."""
    require_own_form(current_request())
    response = redirect(url_for("dashboard.login"), HTTPStatus.SEE_OTHER)
    response.delete_cookie(TOKEN_COOKIE, path=cookie_path(), httponly=True, samesite="Strict")
    return response


def require_own_form(request: Request) -> None:
    """Raise Forbidden unless a page of ours has sent it; each browser says so, or from where."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        is_own = site == "same-origin"
    else:
        is_own = request.headers.get("Origin") in (
            f"http://{request.host}",
            f"https://{request.host}",
        )
    if not is_own:
        raise Forbidden("this form was not sent by a page of the dashboard")


def _wanted(request: Request) -> str:
    """The page that was asked for before: one of ours, whoever says it."""
    home = url_for("dashboard.home")
    path = request.script_root + request.form.get("next", "")
    is_ours = path.startswith((f"{home}/", f"{home}?")) and path.isprintable() and "\\" not in path
    return path if is_ours else home
