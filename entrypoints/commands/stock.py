"""Commands about stock and products."""

from __future__ import annotations

import click

from ...domain.audit import about_product
from ...domain.stock import ProductLimits
from .base import JSON, cli, recorded, set_up, tell_change

_LIMIT = click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many."
)


@cli.group()
def stock() -> None:
    """Look at stock, and at what came and went of it."""


@stock.command("list")
@_LIMIT
@JSON
def stock_list(limit: int, *, is_json: bool) -> None:
    """List products with their central stock, by id."""
    from ..stock import as_json, levels, table

    _, container = set_up()
    found = list(levels(container.read_model(), limit))
    for line in map(as_json, found) if is_json else table(found):
        click.echo(line)


@stock.command("show")
@click.argument("product_id")
@JSON
def stock_show(product_id: str, *, is_json: bool) -> None:
    """Show one product's stock, and its vendors'."""
    from ..stock import as_json, details, product

    _, container = set_up()
    found = product(container.read_model(), product_id)
    click.echo(as_json(found) if is_json else "\n".join(details(found)))


@stock.command("history")
@click.argument("product_id")
@_LIMIT
@JSON
def stock_history(product_id: str, limit: int, *, is_json: bool) -> None:
    """Show what came and went of a product, newest first."""
    from ..stock import as_json, movements, product

    _, container = set_up()
    product(container.read_model(), product_id)
    found = container.read_model().stock_history(product_id, 0, limit).items
    for line in map(as_json, found) if is_json else movements(found):
        click.echo(line)


@cli.group("product")
def product_() -> None:
    """Name products, and say what is watched and allowed of them."""


@product_.command("set")
@click.argument("product_id")
@click.option("--name", help="From then on no feed names it; unless told, it stays.")
@click.option("--low-at", type=click.IntRange(0), help="At how few available there is an event.")
@click.option("--backorder-limit", type=click.IntRange(0), help="How many may be waited for.")
@JSON
@recorded()
def product_set(
    product_id: str,
    name: str | None,
    low_at: int | None,
    backorder_limit: int | None,
    *,
    is_json: bool,
) -> None:
    """Set a product's limits, all of them: what is not told is as usual again."""
    from ..stock import as_json, details, product

    _, container = set_up()
    limits = ProductLimits(low_at=low_at, backorder_limit=backorder_limit)
    container.set_product()(product_id, name, limits)
    tell_change(product_id, about_product(name, limits))
    found = product(container.read_model(), product_id)
    click.echo(as_json(found) if is_json else "\n".join(details(found)))
