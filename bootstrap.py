"""The one place that chooses adapters and puts the parts together. Nothing is opened here."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from functools import partial
from operator import attrgetter
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from dependency_injector import containers, providers
from sqlalchemy import Engine

from . import __version__
from .adapters.sql import SqlMessageBus, SqlStorage, create_engine
from .adapters.sql.engine import SCHEMES
from .adapters.system.clock import SystemClock
from .adapters.system.log import Log
from .adapters.system.plugins import BUS_PLUGINS, STORAGE_PLUGINS, plugin, scheme_of
from .adapters.system.secrets import new_secret, new_token
from .adapters.system.settings import InvalidSetting, Settings, read_settings
from .domain.allocation import AllocationPolicy, PriorityPolicy
from .domain.errors import InvalidValue
from .domain.ports.clock import Clock
from .domain.ports.event_publisher import EventPublisher
from .domain.ports.identity_provider import IdentityProvider
from .domain.ports.message_bus import MessageBus
from .domain.ports.process_registry import Figures, ProcessKind
from .domain.ports.storage import Storage
from .domain.ports.unit_of_work import UnitOfWorkFactory
from .domain.ports.vendor_gateway import VendorGateway
from .domain.use_cases.approve_report import ApproveReport
from .domain.use_cases.cancel_orders import CancelOrders
from .domain.use_cases.check_health import CheckHealth
from .domain.use_cases.dead_letter_actions import DeadLetterActions
from .domain.use_cases.declare_vendors import DeclareVendors, EnableVendor, PlanSync
from .domain.use_cases.deliver_webhooks import DeliverWebhooks, FanOutEvents
from .domain.use_cases.expire_holds import ExpireHolds
from .domain.use_cases.fail_orders import FailOrders
from .domain.use_cases.fill_backorders import FillBackorders
from .domain.use_cases.find_suspects import FindSuspects
from .domain.use_cases.forget_old import ForgetOld
from .domain.use_cases.fulfil_orders import FulfilOrders
from .domain.use_cases.hold_actions import HoldActions
from .domain.use_cases.idempotency import CarryOutOnce
from .domain.use_cases.keep_audit import RecordChange
from .domain.use_cases.note_process import NoteProcess
from .domain.use_cases.order_actions import OrderActions
from .domain.use_cases.order_holds import OrderHolds
from .domain.use_cases.order_limits import OrderLimits
from .domain.use_cases.place_orders import PlaceOrders
from .domain.use_cases.prune_orders import PruneOrders
from .domain.use_cases.publish_events import PublishEvents
from .domain.use_cases.record_failures import RecordFailures
from .domain.use_cases.relay_messages import RelayMessages
from .domain.use_cases.repair_balances import RepairBalances
from .domain.use_cases.resend_orders import ResendOrders
from .domain.use_cases.retire_vendor import RetireVendor
from .domain.use_cases.return_orders import ReturnOrders
from .domain.use_cases.separate_orders import RequeueIndividually
from .domain.use_cases.set_product import SetProduct
from .domain.use_cases.sync_once import SyncOnce
from .domain.use_cases.sync_vendor import SyncVendor
from .domain.use_cases.token_actions import TokenActions
from .domain.use_cases.update_vendor_stock import UpdateVendorStock
from .domain.use_cases.vendor_actions import VendorActions
from .domain.use_cases.watch_outbox import WatchOutbox
from .domain.use_cases.webhook_actions import WebhookActions
from .domain.use_cases.withhold_stale_stock import WithholdStaleStock
from .domain.values import fold_ids

if TYPE_CHECKING:
    from flask import Flask

    from .adapters.vendors.directory import VendorGateways
    from .entrypoints.api.gate import Gate
    from .entrypoints.api.scheduling import Scheduler
    from .entrypoints.heartbeat import Heartbeat
    from .entrypoints.relay import Relay
    from .entrypoints.webhook_dispatcher import WebhookDispatcher
    from .entrypoints.worker import Worker


log = Log()


@contextmanager
def _blame_setting(variable: str) -> Iterator[None]:
    """Blame what a part refuses on the variable that it is built from."""
    try:
        yield
    except InvalidValue as error:
        raise InvalidSetting(variable, error.expected) from error
    except ValueError as error:
        # A plug-in's.
        raise InvalidSetting(variable, str(error)) from error


def _engine(settings: Settings) -> Engine:
    try:
        return create_engine(settings.database_url, settings.database_schema)
    except InvalidValue as error:
        raise InvalidSetting(error.field.upper(), error.expected) from error


@_blame_setting("DATABASE_URL")
def _storage(settings: Settings, engine: Callable[[], Engine]) -> Storage:
    scheme = scheme_of(settings.database_url)
    # Looking for plug-ins takes its time, at each start of each process.
    make = None if scheme in SCHEMES else plugin(STORAGE_PLUGINS, scheme)
    if make is None:
        return SqlStorage(engine())
    storage: Storage = make(settings.database_url)
    return storage


def _shared_clock(storage: Storage, clock: Clock) -> Clock:
    return storage.clock or clock


@_blame_setting("BROKER_URL")
def _bus(settings: Settings, storage: Storage, clock: Clock) -> MessageBus:
    if settings.broker_url is None:
        if isinstance(storage, SqlStorage):
            return SqlMessageBus(storage.engine, clock)
        raise InvalidValue("broker_url", "must be set: this storage has no queue of its own")
    scheme = scheme_of(settings.broker_url)
    make = None if scheme in ("amqp", "amqps") else plugin(BUS_PLUGINS, scheme)
    if make is None:
        from .adapters.rabbitmq.message_bus import RabbitMessageBus

        return RabbitMessageBus(settings.broker_url)
    bus: MessageBus = make(settings.broker_url)
    return bus


@_blame_setting("EVENTS_EXCHANGE")
def _event_publisher(settings: Settings) -> EventPublisher | None:
    if settings.events_exchange is None:
        return None
    url = settings.broker_url
    if url is None or scheme_of(url) not in ("amqp", "amqps"):
        raise InvalidValue(
            "events_exchange", "needs a BROKER_URL of RabbitMQ, amqp://… or amqps://…"
        )
    from .adapters.rabbitmq.event_publisher import RabbitEventPublisher

    return RabbitEventPublisher(url, settings.events_exchange)


def _publish_events(
    publisher: EventPublisher | None, storage: Storage, clock: Clock
) -> PublishEvents | None:
    if publisher is None:
        return None
    return PublishEvents(storage.unit_of_work, storage.event_feed, publisher, clock)


@_blame_setting("MOCK_VENDORS_HOST")
def _gateways(settings: Settings) -> dict[str, VendorGateway]:
    """The mock vendors', unless a vendors file says which vendors there are."""
    from .adapters.vendors.config import gateways
    from .entrypoints.demo.gateways import mock_vendor_gateways

    if settings.vendors_file is not None:
        return {}
    return gateways(mock_vendor_gateways(settings.mock_vendors_host, settings.mock_vendors_port))


@_blame_setting("VENDORS_FILE")
def _vendor_gateways(
    settings: Settings,
    unit_of_work: UnitOfWorkFactory,
    own: Callable[[], Mapping[str, VendorGateway]],
) -> VendorGateways:
    from .adapters.vendors.directory import VendorGateways

    file = None if settings.vendors_file is None else Path(settings.vendors_file)
    found = VendorGateways(unit_of_work, own, file)
    found.require_usable_file()
    return found


@_blame_setting("ALLOCATION_POLICY")
def _policy(
    settings: Settings, gateways: Callable[[], Mapping[str, VendorGateway]]
) -> AllocationPolicy:
    policy = settings.allocation_policy
    if isinstance(policy, PriorityPolicy):
        known = [*gateways(), *_vendors_of_file(settings)]
        unknown = [vendor_id for vendor_id in policy.vendor_ids if vendor_id not in known]
        # Without any of these, all vendors are declared in the storage.
        if unknown and known:
            expected = f"no such vendor: {', '.join(unknown)} (there are: {', '.join(known)})"
            raise InvalidValue("policy", expected)
    return policy


def _vendors_of_file(settings: Settings) -> list[str]:
    from .adapters.vendors.config import read_declared

    if settings.vendors_file is None:
        return []
    declared, _ = read_declared(Path(settings.vendors_file))
    return [each.vendor.id for each in declared]


def _forget_keys(settings: Settings, unit_of_work: UnitOfWorkFactory, clock: Clock) -> ForgetOld:
    keep = timedelta(days=settings.idempotency_days)
    return ForgetOld(unit_of_work, clock, keep, attrgetter("idempotency_keys"))


def _forget_events(settings: Settings, unit_of_work: UnitOfWorkFactory, clock: Clock) -> ForgetOld:
    """An order keeps its own; a late reader is told."""
    keep = timedelta(days=settings.events_days)
    return ForgetOld(unit_of_work, clock, keep, attrgetter("events"))


def _forget_audit(settings: Settings, unit_of_work: UnitOfWorkFactory, clock: Clock) -> ForgetOld:
    keep = timedelta(days=settings.audit_days)
    return ForgetOld(unit_of_work, clock, keep, attrgetter("audit_log"))


def _identity_provider(settings: Settings) -> IdentityProvider | None:
    needed = {
        "JWT_ISSUER": settings.jwt_issuer,
        "JWT_AUDIENCE": settings.jwt_audience,
        "JWT_JWKS_URL": settings.jwt_jwks_url,
    }
    given = [value for value in needed.values() if value is not None]
    if not given:
        return None
    for variable, value in needed.items():
        if value is None:
            raise InvalidSetting(variable, f"must be set: {', '.join(needed)} go together")
    try:
        from .adapters.jwt.identity_provider import JwtIdentityProvider
    except ModuleNotFoundError as error:
        expected = "needs PyJWT: pip install 'order-aggregator[jwt]'"
        raise InvalidSetting("JWT_ISSUER", expected) from error
    return JwtIdentityProvider(*given)


def _token_actions(storage: Storage, clock: Clock) -> TokenActions:
    from uuid_utils.compat import uuid7

    return TokenActions(
        unit_of_work=storage.unit_of_work,
        directory=storage.access_tokens,
        clock=clock,
        new_id=lambda: str(uuid7()),
        new_token=new_token,
    )


def _gate(
    settings: Settings,
    token_actions: TokenActions,
    clock: Clock,
    identity_provider: IdentityProvider | None,
) -> Gate:
    from .entrypoints.api.gate import Gate
    from .entrypoints.runtime.listening import is_loopback

    is_open = settings.open_to_everybody
    is_local = not is_open and is_loopback(settings.host)
    return Gate(
        token_actions,
        clock,
        is_open=is_open or is_local,
        is_local=is_local,
        identity_provider=identity_provider,
    )


def _seed_gateways() -> dict[str, VendorGateway]:
    from .adapters.vendors.config import gateways
    from .entrypoints.demo.seed import seed_vendor_gateways

    return gateways(seed_vendor_gateways())


def _worker(  # noqa: PLR0913 - its parts, by name
    *,
    settings: Settings,
    bus: MessageBus,
    fulfil: FulfilOrders,
    fail: FailOrders,
    record_failures: RecordFailures,
    find_suspects: FindSuspects,
    requeue_individually: RequeueIndividually,
    heartbeat: Callable[..., Heartbeat],
    stop: Event,
) -> Worker:
    from .entrypoints.failures import RetryPolicy, SettleFailures
    from .entrypoints.worker import Worker

    settle_failures = SettleFailures(
        fail=fail,
        record_failures=record_failures,
        rule=RetryPolicy(max_attempts=settings.max_attempts, first_delay=settings.retry_delay),
        stop=stop,
    )
    return Worker(
        bus=bus,
        fulfil=fulfil,
        requeue_individually=requeue_individually,
        find_suspects=find_suspects,
        settle_failures=settle_failures,
        stop=stop,
        beside=[heartbeat(ProcessKind.WORKER, stop).running()],
    )


# What carries out the calls of an API.
_CALLS = "calls"


def _relay(  # noqa: PLR0913 - its parts, by name
    *,
    settings: Settings,
    relay_messages: Callable[[], RelayMessages],
    publish_events: PublishEvents | None,
    housekeeping: Callable[[], Mapping[str, Callable[[], Any]]],
    webhooks: Callable[[], WebhookDispatcher],
    heartbeat: Callable[..., Heartbeat],
    stop: Event,
    scheduler: Scheduler | None = None,
) -> Relay:
    """`scheduler`: of the API that it runs beside, whose heart beats with its own."""
    from .entrypoints.event_relay import EventRelay
    from .entrypoints.relay import Housekeeping, Relay
    from .entrypoints.runtime.liveness import liveness

    beside = [webhooks().running()]
    if scheduler is None:
        beside.append(heartbeat(ProcessKind.RELAY, stop).running())
    else:
        poke = partial(scheduler.start_from_outside, partial(liveness.beat, _CALLS))
        beside.append(liveness.watching(_CALLS))
        beside.append(heartbeat(ProcessKind.API, stop, poke=poke).running())
    if publish_events is not None:
        beside.append(EventRelay(publish_events, stop).running())
    return Relay(
        # Without a broker the outbox is the queue.
        relay_messages=None if settings.broker_url is None else relay_messages(),
        housekeeping=Housekeeping(**housekeeping()),
        stop=stop,
        beside=beside,
    )


def _database_watch(storage: Storage) -> AbstractContextManager[None]:
    from .entrypoints.monitoring.database import database_watched

    return database_watched(storage.engine) if isinstance(storage, SqlStorage) else nullcontext()


def _sampler(kind: ProcessKind, storage: Storage, clock: Clock) -> Callable[[], Figures | None]:
    """What a process of this kind says of its orders, if it has any; an API, of all that wait."""
    from .entrypoints.monitoring.sampling import BacklogSampler, Sampler

    if kind is ProcessKind.API:
        from .entrypoints.api.reports import totals

        return BacklogSampler(Sampler(totals), storage.read_model, clock)
    if kind is ProcessKind.WORKER:
        from .entrypoints.monitoring.worker import totals

        return Sampler(totals)
    return lambda: None


def _heartbeat(
    kind: ProcessKind,
    stop: Event,
    *,
    storage: Storage,
    clock: Clock,
    poke: Callable[[], None] = lambda: None,
) -> Heartbeat:
    from uuid_utils.compat import uuid7

    from .entrypoints.heartbeat import Heartbeat

    note_process = NoteProcess(
        storage.processes,
        clock,
        process_id=str(uuid7()),
        kind=kind,
        host=socket.gethostname(),
        pid=os.getpid(),
        version=__version__,
        measure=_sampler(kind, storage, clock),
    )
    return Heartbeat(note_process, stop, poke)


def _webhook_dispatcher(settings: Settings, storage: Storage, clock: Clock) -> WebhookDispatcher:
    from .adapters.webhooks.http_sender import HttpWebhookSender
    from .adapters.webhooks.message import message_of
    from .entrypoints.webhook_dispatcher import WebhookDispatcher

    unit_of_work, directory = storage.unit_of_work, storage.webhooks
    sender = HttpWebhookSender(SystemClock(), private=settings.webhooks_private)
    return WebhookDispatcher(
        fan_out=FanOutEvents(unit_of_work, directory, storage.event_feed, message_of, clock),
        deliver=DeliverWebhooks(unit_of_work, directory, sender, clock, random.random),
        sender=sender,
    )


def _webhook_actions(settings: Settings, storage: Storage, clock: Clock) -> WebhookActions:
    from uuid_utils.compat import uuid7

    return WebhookActions(
        unit_of_work=storage.unit_of_work,
        directory=storage.webhooks,
        feed=storage.event_feed,
        clock=clock,
        new_id=lambda: str(uuid7()),
        new_secret=new_secret,
        private=settings.webhooks_private,
    )


def _api(  # noqa: PLR0913 - its parts, by name
    *,
    settings: Settings,
    storage: Storage,
    bus: MessageBus,
    gateways: VendorGateways,
    place_orders: PlaceOrders,
    order_actions: OrderActions,
    vendor_actions: VendorActions,
    set_product: SetProduct,
    webhook_actions: WebhookActions,
    dead_letter_actions: DeadLetterActions,
    carry_out_once: CarryOutOnce,
    gate: Gate,
    record_change: RecordChange,
    check_health: CheckHealth,
    relay: Callable[..., Relay],
    scheduler: Scheduler | None = None,
) -> AbstractContextManager[Flask]:
    from uuid_utils.compat import uuid7

    from .entrypoints.api.lifespan import running_api
    from .entrypoints.api.rate_limit import RateLimiter
    from .entrypoints.api.scheduling import ThreadScheduler
    from .entrypoints.api.services import ApiServices
    from .entrypoints.dashboard import blueprint as dashboard

    stop = Event()
    scheduler = scheduler or ThreadScheduler()
    its_relay = relay(stop=stop, scheduler=scheduler)
    services = ApiServices(
        read_model=storage.read_model,
        event_feed=storage.event_feed,
        place_orders=place_orders,
        gateways=gateways,
        queue_depth=bus.depth,
        order_actions=order_actions,
        vendor_actions=vendor_actions,
        set_product=set_product,
        webhook_actions=webhook_actions,
        dead_letter_actions=dead_letter_actions,
        carry_out_once=carry_out_once,
        gate=gate,
        record_change=record_change,
        audit_trail=storage.audit_trail,
        check_health=check_health,
        new_order_id=uuid7,
        readiness_checks={
            "database": storage.read_model.ping,
            "broker": bus.ping,
            "work": check_health.require_working,
        },
        wake_relay=its_relay.wake,
        scheduler=scheduler,
        trusted_proxies=settings.trusted_proxies,
        rate_limiter=RateLimiter(settings.rate_limit, settings.api_processes),
        cors_origins=settings.cors_origins,
    )
    return running_api(services, its_relay, stop, _database_watch(storage), dashboard)


class Container(containers.DeclarativeContainer):
    """Every part of the service, made once, on first use."""

    settings = providers.Dependency(instance_of=Settings)
    clock: providers.Provider[Clock] = providers.Singleton(SystemClock)
    engine = providers.Singleton(_engine, settings)
    storage = providers.Singleton(_storage, settings, engine.provider)
    unit_of_work = storage.provided.unit_of_work
    read_model = storage.provided.read_model
    ledger = storage.provided.ledger
    migrate = storage.provided.migrate.call()
    # What the times of several processes are compared by.
    shared_clock = providers.Singleton(_shared_clock, storage, clock)
    bus = providers.Singleton(_bus, settings, storage, clock)
    # None where events are not published.
    event_publisher = providers.Singleton(_event_publisher, settings)
    gateways = providers.Singleton(_gateways, settings)
    seed_gateways = providers.Singleton(_seed_gateways)
    policy = providers.Singleton(_policy, settings, gateways.provider)

    order_limits = providers.Singleton(
        OrderLimits,
        max_units=settings.provided.max_order_units,
        max_open_per_reference=settings.provided.max_open_per_reference,
    )
    place_orders = providers.Singleton(PlaceOrders, unit_of_work, clock, shared_clock, order_limits)
    fulfil_orders = providers.Singleton(FulfilOrders, unit_of_work, clock, policy)
    fail_orders = providers.Singleton(FailOrders, unit_of_work, clock)
    requeue_individually = providers.Singleton(RequeueIndividually, unit_of_work, clock)
    order_actions = providers.Singleton(
        OrderActions,
        cancel=providers.Singleton(CancelOrders, unit_of_work, clock),
        hold=providers.Singleton(HoldActions, unit_of_work, clock, shared_clock),
        order_holds=providers.Singleton(
            OrderHolds, unit_of_work, clock, shared_clock, order_limits
        ),
        give_back=providers.Singleton(ReturnOrders, unit_of_work, clock),
        announce_again=requeue_individually,
    )
    record_failures = providers.Singleton(RecordFailures, unit_of_work, clock)
    find_suspects = providers.Singleton(FindSuspects, read_model)
    sync_vendor = providers.Singleton(SyncVendor, unit_of_work, shared_clock)
    withhold_stale_stock = providers.Singleton(WithholdStaleStock, unit_of_work, shared_clock)
    sync_once = providers.Singleton(SyncOnce, unit_of_work, shared_clock, sync_vendor)
    approve_report = providers.Singleton(ApproveReport, unit_of_work, sync_once)
    vendor_gateways = providers.Singleton(
        _vendor_gateways, settings, unit_of_work, gateways.provider
    )
    retire_vendor = providers.Singleton(
        RetireVendor, unit_of_work, shared_clock, sync_vendor, read_model, gateways.provider
    )
    plan_sync = providers.Singleton(PlanSync, unit_of_work, shared_clock)
    vendor_actions = providers.Singleton(
        VendorActions,
        sync=sync_vendor,
        sync_once=sync_once,
        approve=approve_report,
        retire=retire_vendor,
        update_stock=providers.Singleton(UpdateVendorStock, unit_of_work, shared_clock),
        declare=providers.Singleton(DeclareVendors, unit_of_work, shared_clock),
        enable=providers.Singleton(EnableVendor, unit_of_work, shared_clock),
    )
    set_product = providers.Singleton(SetProduct, unit_of_work, clock)
    webhook_actions = providers.Singleton(_webhook_actions, settings, storage, shared_clock)
    dead_letter_actions = providers.Singleton(DeadLetterActions, unit_of_work, shared_clock, bus)
    carry_out_once = providers.Singleton(CarryOutOnce, unit_of_work, shared_clock)
    # On the clock of the machine: nothing asks the database for each request.
    token_actions = providers.Singleton(_token_actions, storage, clock)
    # None where nobody vouches for callers.
    identity_provider = providers.Singleton(_identity_provider, settings)
    gate = providers.Factory(_gate, settings, token_actions, clock, identity_provider)
    record_change = providers.Singleton(RecordChange, unit_of_work, clock)
    expire_holds = providers.Singleton(ExpireHolds, unit_of_work, clock, shared_clock)
    fill_backorders = providers.Singleton(FillBackorders, unit_of_work, clock)
    repair_balances = providers.Singleton(RepairBalances, ledger, unit_of_work, clock)
    forget_keys = providers.Singleton(_forget_keys, settings, unit_of_work, shared_clock)
    forget_events = providers.Singleton(_forget_events, settings, unit_of_work, clock)
    forget_audit = providers.Singleton(_forget_audit, settings, unit_of_work, clock)
    prune_orders = providers.Singleton(PruneOrders, unit_of_work, clock, forget_keys)
    relay_messages = providers.Singleton(RelayMessages, unit_of_work, bus, clock)
    publish_events = providers.Factory(_publish_events, event_publisher, storage, shared_clock)
    watch_outbox = providers.Singleton(WatchOutbox, unit_of_work, clock)
    resend_orders = providers.Singleton(
        ResendOrders, unit_of_work, clock, settings.provided.resend_after
    )

    check_health = providers.Singleton(
        CheckHealth, storage, bus, shared_clock, settings.provided.backlog_limit
    )
    # `heartbeat(kind, stop)`: says that this process is at work.
    heartbeat = providers.Factory(_heartbeat, storage=storage, clock=shared_clock)

    # `worker(stop=event)`: its `run` returns when the event is set.
    worker = providers.Factory(
        _worker,
        settings=settings,
        bus=bus,
        fulfil=fulfil_orders,
        fail=fail_orders,
        record_failures=record_failures,
        find_suspects=find_suspects,
        requeue_individually=requeue_individually,
        heartbeat=heartbeat.provider,
    )
    housekeeping = providers.Dict(
        resend_orders=resend_orders,
        watch_outbox=watch_outbox,
        withhold_stale_stock=withhold_stale_stock,
        forget_keys=forget_keys,
        forget_events=forget_events,
        forget_audit=forget_audit,
        expire_holds=expire_holds,
        fill_backorders=fill_backorders,
    )
    # What is told of connections to the database while a block runs.
    database_watch = providers.Factory(_database_watch, storage)
    webhook_dispatcher = providers.Factory(_webhook_dispatcher, settings, storage, shared_clock)
    # `relay(stop=event)`, likewise.
    relay = providers.Factory(
        _relay,
        settings=settings,
        relay_messages=relay_messages.provider,
        publish_events=publish_events,
        housekeeping=housekeeping.provider,
        webhooks=webhook_dispatcher.provider,
        heartbeat=heartbeat.provider,
    )
    # `with api() as app`: a Flask application, and a relay beside it until the block is left.
    api = providers.Factory(
        _api,
        settings=settings,
        storage=storage,
        bus=bus,
        gateways=vendor_gateways,
        place_orders=place_orders,
        order_actions=order_actions,
        vendor_actions=vendor_actions,
        set_product=set_product,
        webhook_actions=webhook_actions,
        dead_letter_actions=dead_letter_actions,
        carry_out_once=carry_out_once,
        gate=gate,
        record_change=record_change,
        check_health=check_health,
        relay=relay.provider,
    )


class Parts(TypedDict, total=False):
    """What may be of your own, by the name of what it stands for."""

    clock: Clock
    engine: Engine
    storage: Storage
    bus: MessageBus
    event_publisher: EventPublisher
    gateways: Mapping[str, VendorGateway]
    policy: AllocationPolicy


def bootstrap(settings: Settings | None = None, **parts: Unpack[Parts]) -> Container:
    """The container, with adapters of your own in the place of those that the settings name.

    bootstrap(Settings(port=8080), policy=my_policy, clock=my_clock)

    `settings` are those of the environment, unless given. Raises TypeError for a part that does not
    exist, and InvalidSetting; what a part refuses, it says when it is first used.
    """
    if unknown := parts.keys() - Parts.__annotations__.keys():
        known = ", ".join(Parts.__annotations__)
        raise TypeError(f"no such part: {', '.join(sorted(unknown))} (there are: {known})")
    chosen = settings or read_settings()
    fold_ids(fold=chosen.id_case == "lower")
    container = Container(settings=chosen)
    container.override_providers(**{name: providers.Object(part) for name, part in parts.items()})
    return container
