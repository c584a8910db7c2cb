"""What the server alone can do: the same request and answer, and no database.

`echo` is the shortest application that flask-smorest and marshmallow make of it; `echo-own` is our
own application, which decides every order at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from flask import Flask
from flask_smorest import Api, Blueprint  # type: ignore[import-untyped]
from marshmallow import Schema, fields, validate
from uuid_utils.compat import uuid7

from order_aggregator.adapters.system.settings import Settings, read_settings
from order_aggregator.adapters.vendors.directory import VendorGateways
from order_aggregator.domain.errors import OrderRefused
from order_aggregator.domain.order import Order
from order_aggregator.domain.use_cases.check_health import CheckHealth
from order_aggregator.domain.use_cases.keep_audit import RecordChange
from order_aggregator.domain.use_cases.place_orders import PlaceOrder
from order_aggregator.domain.values import MAX_ID_LENGTH, MAX_QUANTITY
from order_aggregator.entrypoints.api.app import close, create_app
from order_aggregator.entrypoints.api.gate import Gate
from order_aggregator.entrypoints.api.scheduling import GreenletScheduler
from order_aggregator.entrypoints.api.schemas import OrderSchema
from order_aggregator.entrypoints.api.services import ApiServices
from order_aggregator.entrypoints.runtime.logs import configure_logs
from order_aggregator.entrypoints.serving.processes import serve
from order_aggregator.testing.shop import Shop


class WantedSchema(Schema):
    """An order of one product."""

    product_id = fields.String(required=True, validate=validate.Length(1, MAX_ID_LENGTH))
    quantity = fields.Integer(required=True, strict=True, validate=validate.Range(1, MAX_QUANTITY))


@contextmanager
def echo(_settings: Settings, _turns: GreenletScheduler) -> Iterator[Flask]:
    """The bare application."""
    app = Flask(__name__)
    app.config.update(API_TITLE="Echo", API_VERSION="1", OPENAPI_VERSION="3.0.3")
    blueprint = Blueprint("order", __name__, url_prefix="/v1/api/order")

    @blueprint.route("", methods=["POST"])  # type: ignore[untyped-decorator]
    @blueprint.arguments(WantedSchema)  # type: ignore[untyped-decorator]
    @blueprint.response(202, OrderSchema)  # type: ignore[untyped-decorator]
    def place_order(wanted: dict[str, Any]) -> dict[str, Any]:
        now = datetime.now(UTC)
        return {
            "id": uuid7(),
            "status": "reserved",
            "lines": [{**wanted, "allocations": []}],
            "failure": None,
            "created_at": now,
            "updated_at": now,
        }

    Api(app).register_blueprint(blueprint)
    yield app


@contextmanager
def echo_own(_settings: Settings, scheduler: GreenletScheduler) -> Iterator[Flask]:
    """Our own application, without a database."""
    shop = Shop()
    app = create_app(
        ApiServices(
            read_model=shop.storage.read_model,
            event_feed=shop.storage.event_feed,
            place_orders=_accept,
            order_actions=shop.order_actions,
            vendor_actions=shop.vendor_actions,
            set_product=shop.set_product,
            webhook_actions=shop.webhook_actions(),
            gate=Gate(shop.token_actions, shop.clock, is_open=True),
            record_change=RecordChange(shop.storage.unit_of_work, shop.clock),
            audit_trail=shop.storage.audit_trail,
            check_health=CheckHealth(shop.storage, shop.bus, shop.clock, timedelta(minutes=5)),
            gateways=VendorGateways(shop.storage.unit_of_work, dict),
            dead_letter_actions=shop.dead_letter_actions,
            carry_out_once=shop.carry_out_once,
            queue_depth=shop.bus.depth,
            new_order_id=uuid7,
            readiness_checks={},
            wake_relay=lambda: None,
            scheduler=scheduler,
        )
    )
    yield app
    close(app)


def _accept(commands: Sequence[PlaceOrder], *, recheck: bool = False) -> list[Order | OrderRefused]:
    del recheck
    now = datetime.now(UTC)
    return [Order(id=c.order_id, lines=c.lines, created_at=now, updated_at=now) for c in commands]


@click.command()
@click.argument("kind", type=click.Choice(["echo", "echo-own"]))
def main(kind: str) -> None:
    """Serve one of them as the API is served, on the settings' port."""
    settings = read_settings()
    configure_logs(settings.log_level)
    serve(settings, {"echo": echo, "echo-own": echo_own}[kind])


if __name__ == "__main__":
    main()
