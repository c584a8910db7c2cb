"""What can be done: each action asks first, on a page of its own, and is done once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID, uuid4

from flask import Request, current_app, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from ...domain.access import OPERATE
from ...domain.errors import UnknownDeadLetter, UnknownOrder, UnknownWebhook
from ...domain.use_cases.cancel_orders import CancelOrder
from ...domain.use_cases.idempotency import Answer, RequestKey
from ...domain.use_cases.report_intake import SyncResult
from ...domain.use_cases.return_orders import ReturnOrder
from ..api.access import guarded
from ..api.idempotency import caller_of
from ..api.problems import InvalidRequest
from ..api.services import ApiServices, app_state, current_request
from ..api.sync import interruptible
from ..runtime.tracing import traceparent
from .frame import blueprint, go_on, page
from .session import require_own_form

SCOPE = "dashboard"
KEY = "key"
_KEY = re.compile(r"[0-9a-f]{32}")

CarryOut = Callable[..., Answer]


def action(
    rule: str, *, ask: str, effect: str, button: str, back: str, may_restock: bool = False
) -> Callable[[CarryOut], CarryOut]:
    """Have GET ask, and POST do it and go on to the page `back`.

    `may_restock`: asks whether units go on sale again.
    """

    def decorate(carry_out: CarryOut) -> CarryOut:
        def confirm(**path: Any) -> Response:
            return page(
                "confirm.html",
                ask=ask,
                effect=effect,
                button=button,
                target=next(iter(path.values())),
                back=_address(back, path),
                key=uuid4().hex,
                may_restock=may_restock,
            )

        @wraps(carry_out)
        def act(**path: Any) -> Response:
            request = current_request()
            require_own_form(request)
            services, key = app_state().services, _request_key(request)
            return go_on(carry_out(services, key, **path), _address(back, path))

        name = carry_out.__name__
        asked = guarded(OPERATE, counted=False)(confirm)
        done = guarded(OPERATE, changes=True, counted=False)(act)
        blueprint.add_url_rule(rule, f"ask_{name}", asked, methods=["GET"])
        blueprint.add_url_rule(rule, name, done, methods=["POST"])
        return carry_out

    return decorate


@action(
    "/orders/<uuid:order_id>/cancel",
    ask="Cancel this order?",
    effect="All of it is withdrawn, and what is reserved for it goes on sale again.",
    button="Cancel the order",
    back="dashboard.order",
)
def cancel_order(services: ApiServices, key: RequestKey, order_id: UUID) -> Answer:
    """All of it."""
    command = CancelOrder(order_id=order_id, by=caller_of(current_request()))
    try:
        return services.order_actions.cancel.once(command, lambda _: "The order is cancelled.", key)
    except UnknownOrder as error:
        raise NotFound(f"no order {order_id}") from error


@action(
    "/orders/<uuid:order_id>/return",
    ask="Take this order back?",
    effect="All of its units that have not come back yet do.",
    button="Take the order back",
    back="dashboard.order",
    may_restock=True,
)
def return_order(services: ApiServices, key: RequestKey, order_id: UUID) -> Answer:
    """All that has not come back yet."""
    request = current_request()
    restock = "restock" in request.form
    command = ReturnOrder(order_id=order_id, restock=restock, by=caller_of(request))
    give_back = services.order_actions.give_back
    try:
        return give_back.once(command, lambda _: "The order has come back.", key)
    except UnknownOrder as error:
        raise NotFound(f"no order {order_id}") from error


@action(
    "/orders/<uuid:order_id>/announce",
    ask="Announce this order again?",
    effect="A worker gets a message for this order alone. One message too many changes nothing.",
    button="Announce it again",
    back="dashboard.order",
)
def announce_order(services: ApiServices, key: RequestKey, order_id: UUID) -> Answer:
    """To the workers, as the relay does with those that stay reserved."""
    if services.read_model.progress(order_id) is None:
        raise NotFound(f"no order {order_id}")

    def announce() -> str:
        trace = traceparent()
        traces = None if trace is None else {order_id: trace}
        if not services.order_actions.announce_again([order_id], traces):
            return "The order is not reserved any more: nothing was announced."
        services.wake_relay()
        return "The order is announced again."

    return services.carry_out_once(key, announce)


@action(
    "/vendors/<id:vendor_id>/approve",
    ask="Believe this vendor's report?",
    effect="Its next report is taken in though it takes away much, and it is asked for it now.",
    button="Approve and sync",
    back="dashboard.vendor",
)
def approve_report(services: ApiServices, key: RequestKey, vendor_id: str) -> Answer:
    """Look at its feed first."""
    with interruptible():
        gateway = services.gateways.get(vendor_id)
        return services.vendor_actions.approve.and_sync(gateway, _synced, key)


@action(
    "/vendors/<id:vendor_id>/sync",
    ask="Sync this vendor now?",
    effect="Its feed is read and taken in.",
    button="Sync now",
    back="dashboard.vendor",
)
def sync_vendor(services: ApiServices, key: RequestKey, vendor_id: str) -> Answer:
    """Without waiting for its schedule."""
    with interruptible():
        return services.vendor_actions.sync_once(services.gateways.get(vendor_id), _synced, key)


@action(
    "/vendors/<id:vendor_id>/disable",
    ask="Disable this vendor?",
    effect="It is synced no longer. What it reported stays on sale, unless it becomes stale.",
    button="Disable it",
    back="dashboard.vendor",
)
def disable_vendor(services: ApiServices, key: RequestKey, vendor_id: str) -> Answer:
    """Its stock stays."""
    said = "The vendor is synced no longer."
    enable = services.vendor_actions.enable
    return enable(vendor_id, enabled=False, answer=said, request=key)


@action(
    "/vendors/<id:vendor_id>/enable",
    ask="Enable this vendor?",
    effect="It is synced again.",
    button="Enable it",
    back="dashboard.vendor",
)
def enable_vendor(services: ApiServices, key: RequestKey, vendor_id: str) -> Answer:
    """On its schedule."""
    said = "The vendor is synced again."
    return services.vendor_actions.enable(vendor_id, enabled=True, answer=said, request=key)


@action(
    "/messages/<string:dead_letter_id>/replay",
    ask="Replay this message?",
    effect="It returns to the queue as if it were new. Orders that are done stay as they are.",
    button="Replay it",
    back="dashboard.messages",
)
def replay_dead_letter(services: ApiServices, key: RequestKey, dead_letter_id: str) -> Answer:
    """Once what was wrong is mended."""
    replay = services.dead_letter_actions.replay
    try:
        return replay(dead_letter_id, lambda _: "The message is in the queue again.", key)
    except UnknownDeadLetter as error:
        raise NotFound(f"no message {dead_letter_id[:100]}") from error


@action(
    "/messages/<string:dead_letter_id>/discard",
    ask="Discard this message?",
    effect="It is deleted for good. Its orders stay as they are.",
    button="Discard it",
    back="dashboard.messages",
)
def discard_dead_letter(services: ApiServices, key: RequestKey, dead_letter_id: str) -> Answer:
    """No order is lost with it."""
    try:
        given = services.dead_letter_actions.discard(dead_letter_id, key)
    except UnknownDeadLetter as error:
        raise NotFound(f"no message {dead_letter_id[:100]}") from error
    return Answer(text="The message is discarded.", replayed=given.replayed)


@action(
    "/webhooks/<uuid:webhook_id>/replay",
    ask="Send the dead deliveries again?",
    effect="All of them are tried anew. A webhook that was disabled is enabled again.",
    button="Send them again",
    back="dashboard.webhook",
)
def replay_deliveries(services: ApiServices, key: RequestKey, webhook_id: UUID) -> Answer:
    """Once what listens there is mended."""
    replay = services.webhook_actions.replay_once
    try:
        return replay(str(webhook_id), answer=_tried_anew, request=key)
    except UnknownWebhook as error:
        raise NotFound(f"no webhook {webhook_id}") from error


def _address(endpoint: str, path: dict[str, Any]) -> str:
    """Of a page, which is about the same thing where it is about one."""
    expects = current_app.url_map.is_endpoint_expecting
    return url_for(endpoint, **{name: v for name, v in path.items() if expects(endpoint, name)})


def _request_key(request: Request) -> RequestKey:
    """The one that the form was given, with a digest of what is asked for."""
    key = request.form.get(KEY, "")
    if not _KEY.fullmatch(key):
        raise InvalidRequest({KEY: ["must be the one that the form was given"]})
    asked = f"{request.path}\n{sorted(request.form.items())}"
    return RequestKey(key=key, digest=hashlib.sha256(asked.encode()).hexdigest(), scope=SCOPE)


def _synced(result: SyncResult) -> str:
    return f"The vendor was synced: {result.products} products, {result.changed} of them changed."


def _tried_anew(deliveries: int) -> str:
    return f"{deliveries} deliveries are tried anew."
