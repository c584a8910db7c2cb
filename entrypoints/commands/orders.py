"""Commands about orders."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import click

from ...domain.order import OnShortage, OrderStatus
from .base import JSON, cli, operator, recorded, set_up, start

if TYPE_CHECKING:
    from ...domain.order import Order


_STATUSES = [status.value for status in OrderStatus]


@cli.group()
def order() -> None:
    """Place orders, look at them, cancel them, take them back."""


def _show(order: Order, *, is_json: bool) -> None:
    from ..orders import as_json, details

    click.echo(as_json(order) if is_json else "\n".join(details(order)))


@order.command("place")
@click.argument("lines", nargs=-1, required=True, metavar="PRODUCT=QUANTITY...")
@click.option("--key", help="Of an idempotency key: the same order again, if it was placed.")
@click.option("--reference", help="Your own name for it.")
@click.option(
    "--on-shortage",
    type=click.Choice([each.value for each in OnShortage]),
    default=OnShortage.FAIL.value,
    help="What becomes of an order for more than there is.",
)
@JSON
@recorded()
def order_place(
    lines: tuple[str, ...],
    key: str | None,
    reference: str | None,
    on_shortage: str,
    *,
    is_json: bool,
) -> None:
    """Place an order of one product or of several."""
    from uuid_utils.compat import uuid7

    from ..orders import parse_lines, place

    _, container = set_up()
    told = parse_lines(lines)
    placed = place(
        container.place_orders(),
        told,
        uuid7,
        key=key,
        reference=reference,
        on_shortage=OnShortage(on_shortage),
        by=operator().id,
    )
    _show(placed, is_json=is_json)


@order.command("show")
@click.argument("order_id", type=click.UUID)
@JSON
def order_show(order_id: UUID, *, is_json: bool) -> None:
    """Show an order, and who supplies it."""
    from ..orders import show

    _, container = set_up()
    _show(show(container.read_model(), order_id), is_json=is_json)


@order.command("list")
@click.option("--status", type=click.Choice(_STATUSES), help="Orders that are so now.")
@click.option("--product", help="Orders with a line of it.")
@click.option("--vendor", "vendor_id", help="Orders that it supplies a part of.")
@click.option("--reference", help="Orders with this reference.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
@JSON
def order_list(
    status: str | None,
    product: str | None,
    vendor_id: str | None,
    reference: str | None,
    limit: int,
    *,
    is_json: bool,
) -> None:
    """List orders, newest first."""
    from ...domain.ports.read_model import OrderFilter
    from ..orders import as_json, listing, table

    _, container = set_up()
    wanted = OrderFilter(
        status=None if status is None else OrderStatus(status),
        product_id=product,
        vendor_id=vendor_id,
        reference=reference,
    )
    found = list(listing(container.read_model(), wanted, limit))
    for line in map(as_json, found) if is_json else table(found):
        click.echo(line)


@order.command("cancel")
@click.argument("order_id", type=click.UUID)
@click.argument("lines", nargs=-1, metavar="[PRODUCT=QUANTITY...]")
@JSON
@recorded()
def order_cancel(order_id: UUID, lines: tuple[str, ...], *, is_json: bool) -> None:
    """Withdraw an order that is not fulfilled yet, or these units of it."""
    from ..orders import cancel, parse_lines

    _, container = set_up()
    told = parse_lines(lines)
    by = operator().id
    _show(cancel(container.order_actions(), order_id, told, by=by), is_json=is_json)


@order.command("return")
@click.argument("order_id", type=click.UUID)
@click.argument("lines", nargs=-1, metavar="[PRODUCT=QUANTITY...]")
@click.option("--no-restock", is_flag=True, help="Do not put the units on sale again.")
@JSON
@recorded()
def order_return(
    order_id: UUID, lines: tuple[str, ...], *, no_restock: bool, is_json: bool
) -> None:
    """Take units of a fulfilled order back: these, or all."""
    from ..orders import give_back, parse_lines

    _, container = set_up()
    told = parse_lines(lines)
    actions, by = container.order_actions(), operator().id
    returned = give_back(actions, order_id, told, restock=not no_restock, by=by)
    _show(returned, is_json=is_json)


@order.command("watch")
@click.argument("order_id", type=click.UUID)
@JSON
def order_watch(order_id: UUID, *, is_json: bool) -> None:
    """Show the steps of an order as they come, until it has ended; Ctrl-C ends it sooner."""
    from ..events import as_json, as_line
    from ..orders import watch

    _, container, stop = start()
    for event in watch(container.read_model(), order_id, stop):
        click.echo(as_json(event, "") if is_json else as_line(event))


@cli.group()
def hold() -> None:
    """Hold stock for a buyer; order what is held, extend it, give it up."""


_SECONDS = click.option(
    "--seconds", default=600, show_default=True, type=int, help="How long it is held."
)


@hold.command("place")
@click.argument("lines", nargs=-1, required=True, metavar="PRODUCT=QUANTITY...")
@_SECONDS
@click.option("--reference", help="Your own name for it.")
@JSON
@recorded()
def hold_place(
    lines: tuple[str, ...], seconds: int, reference: str | None, *, is_json: bool
) -> None:
    """Hold some of one product or of several."""
    from uuid_utils.compat import uuid7

    from ..orders import hold_seconds, parse_lines, place

    span = hold_seconds(seconds)
    _, container = set_up()
    placed = place(
        container.place_orders(),
        parse_lines(lines),
        uuid7,
        reference=reference,
        hold_for=span,
        by=operator().id,
    )
    _show(placed, is_json=is_json)


@hold.command("order")
@click.argument("order_id", type=click.UUID, metavar="HOLD_ID")
@JSON
@recorded()
def hold_order(order_id: UUID, *, is_json: bool) -> None:
    """Turn a hold into an order, of the same id."""
    from ..orders import order_hold

    _, container = set_up()
    _show(order_hold(container.order_actions(), order_id, operator().id), is_json=is_json)


@hold.command("extend")
@click.argument("order_id", type=click.UUID, metavar="HOLD_ID")
@_SECONDS
@JSON
@recorded()
def hold_extend(order_id: UUID, seconds: int, *, is_json: bool) -> None:
    """Hold it for so long from now on."""
    from ...domain.use_cases.hold_actions import ExtendHold
    from ..orders import hold_seconds, step_of_hold

    span = hold_seconds(seconds)
    _, container = set_up()
    actions = container.order_actions().hold
    command = ExtendHold(order_id=order_id, span=span, by=operator().id)
    extended = step_of_hold(
        container.read_model(), order_id, lambda: actions.extend(command, lambda _order: "")
    )
    _show(extended, is_json=is_json)


@hold.command("release")
@click.argument("order_id", type=click.UUID, metavar="HOLD_ID")
@JSON
@recorded()
def hold_release(order_id: UUID, *, is_json: bool) -> None:
    """Give a hold up; its stock can be sold at once."""
    from ..orders import step_of_hold

    _, container = set_up()
    actions, by = container.order_actions().hold, operator().id
    released = step_of_hold(
        container.read_model(), order_id, lambda: actions.release(order_id, by=by)
    )
    _show(released, is_json=is_json)
