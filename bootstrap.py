"""The one place that chooses adapters and puts the parts together. Nothing is opened here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dependency_injector import containers, providers
from sqlalchemy import Engine

from .adapters.sql import SqlMessageBus, SqlStorage, create_engine, migrate
from .adapters.system.clock import SystemClock
from .adapters.system.settings import InvalidSetting, Settings, read_settings
from .domain.allocation import AllocationPolicy, PriorityPolicy
from .domain.errors import InvalidValue
from .domain.ports.clock import Clock
from .domain.ports.message_bus import MessageBus
from .domain.ports.vendor_gateway import VendorGateway
from .domain.use_cases.fail_orders import FailOrders
from .domain.use_cases.find_suspects import FindSuspects
from .domain.use_cases.fulfil_orders import FulfilOrders
from .domain.use_cases.place_orders import PlaceOrders
from .domain.use_cases.record_failures import RecordFailures
from .domain.use_cases.relay_messages import RelayMessages
from .domain.use_cases.resend_orders import ResendOrders
from .domain.use_cases.separate_orders import RequeueIndividually
from .domain.use_cases.sync_vendor import SyncVendor
from .domain.use_cases.watch_outbox import WatchOutbox


@contextmanager
def _blame_setting(variable: str) -> Iterator[None]:
    """Blame what a part refuses on the variable that it is built from."""
    try:
        yield
    except InvalidValue as error:
        raise InvalidSetting(variable, error.expected) from error


@_blame_setting("DATABASE_URL")
def _engine(settings: Settings) -> Engine:
    return create_engine(settings.database_url)


@_blame_setting("BROKER_URL")
def _bus(settings: Settings, engine: Engine, clock: Clock) -> MessageBus:
    if settings.broker_url is None:
        return SqlMessageBus(engine, clock)
    from .adapters.rabbitmq.message_bus import RabbitMessageBus

    return RabbitMessageBus(settings.broker_url)


def _gateways(settings: Settings, clock: Clock) -> dict[str, VendorGateway]:
    from .adapters.vendors.config import gateways, mock_vendor_gateways, vendors_from_file

    if settings.vendors_file is not None:
        with _blame_setting("VENDORS_FILE"):
            return gateways(vendors_from_file(Path(settings.vendors_file), clock))
    with _blame_setting("MOCK_VENDORS_HOST"):
        return gateways(
            mock_vendor_gateways(settings.mock_vendors_host, settings.mock_vendors_port, clock)
        )


@_blame_setting("ALLOCATION_POLICY")
def _policy(
    settings: Settings, gateways: Callable[[], Mapping[str, VendorGateway]]
) -> AllocationPolicy:
    policy = settings.allocation_policy
    if isinstance(policy, PriorityPolicy):
        known = gateways()
        unknown = [vendor_id for vendor_id in policy.vendor_ids if vendor_id not in known]
        if unknown:
            expected = f"no such vendor: {', '.join(unknown)} (there are: {', '.join(known)})"
            raise InvalidValue("policy", expected)
    return policy


def _seed_gateways(clock: Clock) -> dict[str, VendorGateway]:
    from .adapters.vendors.config import gateways
    from .adapters.vendors.seed import seed_vendor_gateways

    return gateways(seed_vendor_gateways(clock))


class Container(containers.DeclarativeContainer):
    """Every part of the service, made once, on first use."""

    settings = providers.Dependency(instance_of=Settings)
    clock = providers.Singleton(SystemClock)
    engine = providers.Singleton(_engine, settings)
    migrate = providers.Callable(migrate, engine)
    storage = providers.Singleton(SqlStorage, engine)
    unit_of_work = storage.provided.unit_of_work
    read_model = storage.provided.read_model
    ledger = storage.provided.ledger
    bus = providers.Singleton(_bus, settings, engine, clock)
    gateways = providers.Singleton(_gateways, settings, clock)
    seed_gateways = providers.Singleton(_seed_gateways, clock)

    policy = providers.Singleton(_policy, settings, gateways.provider)

    place_orders = providers.Singleton(PlaceOrders, unit_of_work, clock)
    fulfil_orders = providers.Singleton(FulfilOrders, unit_of_work, clock, policy)
    fail_orders = providers.Singleton(FailOrders, unit_of_work, clock)
    record_failures = providers.Singleton(RecordFailures, unit_of_work, clock)
    find_suspects = providers.Singleton(FindSuspects, read_model)
    separate_orders = providers.Singleton(RequeueIndividually, unit_of_work, clock)
    sync_vendor = providers.Singleton(SyncVendor, unit_of_work, clock)
    relay_messages = providers.Singleton(RelayMessages, unit_of_work, bus, clock)
    watch_outbox = providers.Singleton(WatchOutbox, unit_of_work, clock)
    resend_orders = providers.Singleton(
        ResendOrders, unit_of_work, clock, settings.provided.resend_after
    )


def bootstrap(settings: Settings | None = None, **parts: Any) -> Container:
    """The container. `parts` are adapters of your own, by the name of what they stand for.

    bootstrap(clock=my_clock, bus=my_bus)
    """
    container = Container(settings=settings or read_settings())
    container.override_providers(**{name: providers.Object(part) for name, part in parts.items()})
    return container
