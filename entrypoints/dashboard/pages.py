"""What there is to be seen. Nothing here changes anything."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, redirect, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from ...domain.access import OPERATE
from ...domain.errors import InvalidValue
from ...domain.order import MAX_REFERENCE_LENGTH, OPEN, OrderStatus
from ...domain.ports.read_model import OrderFilter, Page
from ...domain.use_cases.check_health import findings
from ...domain.values import check_text, whole_number
from ..api.access import guarded
from ..api.events import ENVIRON_KEY, Pulse, begin_stream
from ..api.problems import InvalidRequest
from ..api.services import app_state, current_request
from ..documents import order_ids
from .charts import figure, paces, plots
from .frame import blueprint, page

PAGE_SIZE = 50
MAX_PAGE = 1_000_000
# Seconds that a page waits for a look at everything.
HEALTH_TIMEOUT = 10.0

# Pages refresh by themselves, and most of all somebody looks while others are refused.
READS = guarded(OPERATE, counted=False)


@blueprint.get("")
@blueprint.get("/", alias=True)
@READS
def home() -> Response:
    """What is wrong now and what to do, and how the work goes."""
    state = app_state()
    observed = state.health.begin().result(HEALTH_TIMEOUT)
    found = findings(observed, state.services.check_health.backlog_limit)
    return page(
        "home.html",
        observed=observed,
        findings=found,
        plots=plots(observed),
        paces=paces(observed.samples),
        figure=figure,
        OrderStatus=OrderStatus,
    )


@blueprint.get("/vendors")
@READS
def vendors() -> Response:
    """Vendors by id."""
    number, offset = _place()
    found = app_state().services.read_model.vendors(offset, PAGE_SIZE)
    return page("vendors.html", vendors=found.items, paging=_paging(number, found))


@blueprint.get("/vendors/<vendor:vendor_id>")
@READS
def vendor(vendor_id: str) -> Response:
    """One vendor, and the rows of its last report that were left out."""
    number, offset = _place()
    read_model = app_state().services.read_model
    status = next(iter(read_model.vendors(0, 1, vendor_id).items), None)
    if status is None:
        raise NotFound(f"no vendor {vendor_id} is known")
    rejected = read_model.rejections(vendor_id, offset, PAGE_SIZE)
    return page(
        "vendor.html",
        vendor=status,
        rejections=rejected.items,
        paging=_paging(number, rejected),
    )


@blueprint.get("/products")
@READS
def products() -> Response:
    """Products, the scarce ones first."""
    number, offset = _place()
    search = _text("q", MAX_REFERENCE_LENGTH)
    found = app_state().services.read_model.scarce_stock(offset, PAGE_SIZE, search or None)
    return page("products.html", products=found.items, search=search, paging=_paging(number, found))


@blueprint.get("/products/<id:product_id>")
@READS
def product(product_id: str) -> Response:
    """One product, its vendors, and what came and went."""
    number, offset = _place()
    read_model = app_state().services.read_model
    stock = read_model.product(product_id)
    if stock is None:
        raise NotFound(f"no product {product_id}")
    movements = read_model.stock_history(product_id, offset, PAGE_SIZE)
    return page(
        "product.html",
        level=stock.central,
        vendors=stock.vendors,
        movements=movements.items,
        paging=_paging(number, movements),
    )


@blueprint.get("/orders")
@READS
def orders() -> AnyResponse:
    """Orders, newest first, by state; or those with an id, a reference or a key."""
    read_model = app_state().services.read_model
    number, offset = _place()
    search, status = _text("q", MAX_REFERENCE_LENGTH), _status()
    if (order_id := _as_id(search)) and read_model.order(order_id):
        return redirect(url_for("dashboard.order", order_id=order_id))
    wanted = OrderFilter(status=status, reference=search or None)
    found = read_model.orders(offset, PAGE_SIZE, wanted)
    if search and not found.total:
        wanted = OrderFilter(status=status, idempotency_key=search)
        found = read_model.orders(offset, PAGE_SIZE, wanted)
    return page(
        "orders.html",
        orders=found.items,
        search=search,
        chosen=status,
        statuses=list(OrderStatus),
        paging=_paging(number, found),
    )


@blueprint.get("/orders/<uuid:order_id>")
@READS
def order(order_id: UUID) -> Response:
    """One order, and what happened to it."""
    read_model = app_state().services.read_model
    found, progress = read_model.order(order_id), read_model.progress(order_id)
    if found is None or progress is None:
        raise NotFound(f"no order {order_id}")
    return page(
        "order.html",
        order=found,
        progress=progress,
        events=read_model.order_events(order_id) or (),
        may_cancel=found.status in OPEN,
        may_announce=found.status is OrderStatus.RESERVED,
        may_return=found.status is OrderStatus.FULFILLED,
    )


@blueprint.get("/messages")
@READS
def messages() -> Response:
    """Messages that were given up, oldest first.

    A broker gives all of them out to be looked at, and takes them back: not again and again.
    """
    after = current_request().args.get("after")
    found = app_state().services.dead_letter_actions.letters.dead_letters(PAGE_SIZE + 1, after)
    letters = found[:PAGE_SIZE]
    return page(
        "messages.html",
        letters=[(letter, order_ids(letter)) for letter in letters],
        is_first=after is None,
        next_after=letters[-1].id if len(found) > PAGE_SIZE else None,
    )


@blueprint.get("/webhooks")
@READS
def webhooks() -> Response:
    """Webhooks, oldest first."""
    number, offset = _place()
    found = app_state().services.webhook_actions.directory.page(offset, PAGE_SIZE)
    return page("webhooks.html", webhooks=found.items, paging=_paging(number, found))


@blueprint.get("/webhooks/<uuid:webhook_id>")
@READS
def webhook(webhook_id: UUID) -> Response:
    """One webhook, and its deliveries that are tried no more."""
    number, offset = _place()
    directory = app_state().services.webhook_actions.directory
    status = directory.get(str(webhook_id))
    if status is None:
        raise NotFound(f"no webhook {webhook_id}")
    dead = directory.dead(str(webhook_id), offset, PAGE_SIZE)
    return page("webhook.html", its=status, dead=dead.items, paging=_paging(number, dead))


@blueprint.get("/events")
@READS
def stream_changes() -> Response:
    """That something happened: what, the pages say."""
    current_request().environ[ENVIRON_KEY] = Pulse()
    return begin_stream()


def _place() -> tuple[int, int]:
    """The number of the page in the query, from 1, and how many items lie before it."""
    text = current_request().args.get("page", "1")
    number = whole_number(text, max_digits=len(str(MAX_PAGE)))
    if not 1 <= number <= MAX_PAGE:
        raise InvalidRequest({"page": [f"must be a number from 1 to {MAX_PAGE}"]})
    return number, (number - 1) * PAGE_SIZE


def _paging(number: int, found: Page[Any]) -> dict[str, int]:
    return {
        "number": number,
        "last": max(1, -(-found.total // PAGE_SIZE)),
        "total": found.total,
    }


def _text(name: str, max_length: int) -> str:
    """What is searched for; empty for nothing. Raises InvalidRequest."""
    text = current_request().args.get(name, "").strip()
    if text:
        try:
            check_text(text, name, max_length)
        except InvalidValue as error:
            raise InvalidRequest({name: [error.expected]}) from error
    return text


def _status() -> OrderStatus | None:
    text = current_request().args.get("status", "")
    if text and text not in list(OrderStatus):
        raise InvalidRequest({"status": [f"must be one of {', '.join(OrderStatus)}"]})
    return OrderStatus(text) if text else None


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
