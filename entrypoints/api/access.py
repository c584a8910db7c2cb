"""Every operation lets in those who have its scope, and what they change is recorded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from ipaddress import ip_address
from typing import Any, TypeVar, cast

import attrs
from flask import Request, Response
from werkzeug.exceptions import Forbidden

from ...adapters.system.log import Log
from ...domain.access import (
    ADMIN,
    ANYONE,
    OPERATE,
    ORDERS_WRITE,
    VENDOR,
    InsufficientScope,
    Principal,
)
from ...domain.errors import Conflict, Unavailable
from ...domain.use_cases.attempts import despite_conflicts
from . import problems
from .gate import Gate
from .rate_limit import Allowance, RateLimited, allowance_headers
from .request_ids import ENVIRON_KEY as REQUEST_ID
from .services import ApiServices, app_state, current_request
from .token_uses import DAILY, DailyQuotaUsed

log = Log()
View = TypeVar("View", bound=Callable[..., Any])

AUTHORIZATION = "HTTP_AUTHORIZATION"
# Where they are found while a request is answered.
PRINCIPAL = "order_aggregator.principal"
CHANGE = "order_aggregator.change"
ALLOWANCES = "order_aggregator.allowances"
# Of what an audit entry says it is about.
MAX_TARGET = 255
# Of the route's own vendor.
ITS_VENDOR = f"{VENDOR}{{vendor_id}}"
_AUDITED = {OPERATE, ADMIN, ITS_VENDOR}


@attrs.frozen(kw_only=True)
class Change:
    """What a request changes."""

    operation: str
    target: str | None
    detail: str | None = None


def principal_of(request: Request) -> Principal | None:
    """Who calls; None where that was not asked."""
    return cast("Principal | None", request.environ.get(PRINCIPAL))


def guarded(
    *scopes: str, changes: bool = False, counted: bool = True, may_be_old: bool = False
) -> Callable[[View], View]:
    """Let in those who have one of the scopes, as often as they may ask.

    `changes`: the view changes something. `counted`: asking counts. `may_be_old`: who has one is
    told by what was known last, while the database is away.
    """
    is_audited = changes and not _AUDITED.isdisjoint(scopes)
    by_buyers = ORDERS_WRITE in scopes

    def decorate(view: View) -> View:
        @wraps(view)
        def guard(*args: Any, **path: Any) -> Any:
            environ = current_request().environ
            services = app_state().services
            principal = environ[PRINCIPAL] = services.gate.principal(
                environ.get(AUTHORIZATION), may_be_old=may_be_old
            )
            if counted and (allowances := _count(services, principal)):
                environ[ALLOWANCES] = allowances
                if refusal := _refusal(allowances):
                    # Not by way of Flask, which takes its time: they come in crowds.
                    return problems.from_domain(refusal)
            if principal.id == ANYONE.id:
                _require_near(current_request(), services.gate, changes=changes)
            _require(principal, scopes, path)
            # What buyers do to orders, these and their events tell.
            if is_audited and not (by_buyers and not principal.may(OPERATE)):
                target = next((str(value)[:MAX_TARGET] for value in path.values()), None)
                environ[CHANGE] = Change(operation=view.__name__, target=target)
            return view(*args, **path)

        return cast(View, guard)

    return decorate


def _require_near(request: Request, gate: Gate, *, changes: bool) -> None:
    """Raise Forbidden where a page of somebody else's has a browser ask an open API.

    A page may give its own name any address, this machine's included (DNS rebinding): so where
    only this machine may call, the API goes by no other name.
    """
    if gate.is_local and not _is_local(request.host):
        raise Forbidden("without a token this API is asked as localhost, or by its address")
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    allowed = {f"http://{request.host}", f"https://{request.host}"}
    allowed.update(app_state().services.cors_origins)
    is_foreign = site in ("cross-site", "same-site") if origin is None else origin not in allowed
    if changes and is_foreign and "*" not in allowed:
        raise Forbidden("without a token, no page of another site changes anything")


def _is_local(host: str) -> bool:
    name = host.rsplit(":", 1)[0] if host.count(":") == 1 else host.partition("]")[0].strip("[")
    try:
        ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    return True


def _require(principal: Principal, scopes: Collection[str], path: Mapping[str, Any]) -> None:
    its_vendor = f"{VENDOR}{path.get('vendor_id', '')}"
    wanted = [its_vendor if scope == ITS_VENDOR else scope for scope in scopes]
    if not any(map(principal.may, wanted)):
        log.info("access.denied", principal=principal.id, scopes=wanted)
        raise InsufficientScope(wanted)


def _count(services: ApiServices, principal: Principal) -> tuple[Allowance, ...]:
    """Count one request, and say what is allowed after it where that is limited."""
    rate = services.rate_limiter.take(principal.id, principal.rate_limit)
    # What comes too soon uses up nothing of the day.
    is_admitted = rate is None or not rate.retry_after
    day = services.gate.uses.take(principal, counts=is_admitted)
    return tuple(allowance for allowance in (rate, day) if allowance is not None)


def _refusal(allowances: tuple[Allowance, ...]) -> RateLimited | None:
    last = max(allowances, key=lambda allowance: allowance.retry_after)
    if not last.retry_after:
        return None
    if last.policy.name == DAILY:
        return DailyQuotaUsed(last.policy.quota, last.retry_after)
    return RateLimited(last.retry_after)


def tell_allowances(request: Request, response: Response) -> None:
    """Say how often the caller may still ask."""
    response.headers.update(allowance_headers(request.environ[ALLOWANCES]))


def tell_change(request: Request, detail: str, target: str | None = None) -> None:
    """Say more of what the request changes, if that is recorded: no secrets."""
    change: Change | None = request.environ.get(CHANGE)
    if change is not None:
        request.environ[CHANGE] = attrs.evolve(
            change, target=target or change.target, detail=detail
        )


def record_change(request: Request, status: int) -> None:
    """Record what the request has changed, if that is to be; the log has it if nothing else."""
    change: Change | None = request.environ.get(CHANGE)
    principal = principal_of(request)
    if change is None or principal is None:
        return
    record = app_state().services.record_change
    told = {
        "path": request.path,
        "target": change.target,
        "detail": change.detail,
        "request_id": request.environ[REQUEST_ID],
        "status": status,
    }
    try:
        despite_conflicts(lambda: record(principal, change.operation, **told))
    except (Unavailable, Conflict) as error:
        log.error(
            "audit.not_recorded",
            actor=principal.id,
            operation=change.operation,
            reason=str(error),
            **told,
        )
