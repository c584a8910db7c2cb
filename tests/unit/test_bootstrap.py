"""Parts of one's own, in the place of those that the settings name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import attrs
import pytest
import sqlalchemy

from installed import install
from order_aggregator import (
    InvalidValue,
    ManualClock,
    MemoryMessageBus,
    MemoryStorage,
    MemoryVendorGateway,
    Vendor,
    even_split,
)
from order_aggregator.adapters.memory.event_publisher import MemoryEventPublisher
from order_aggregator.adapters.sql import SqlStorage
from order_aggregator.adapters.system.settings import InvalidSetting, Settings
from order_aggregator.bootstrap import Container, bootstrap
from order_aggregator.domain.errors import OrderTooLarge, TooManyOpenOrders, VendorInUse
from order_aggregator.domain.order import Order
from order_aggregator.domain.ports.process_registry import ProcessKind, Sample
from order_aggregator.domain.rate import Rate
from order_aggregator.testing.shop import Shop, wish
from order_aggregator.testing.shop_work import NOW
from service import eventually


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(database_url=f"sqlite:///{tmp_path}/orders.db", vendors_file=None)


def test_a_policy_and_a_clock_stand_for_those_of_the_settings(settings: Settings) -> None:
    clock = ManualClock(NOW)
    container = bootstrap(settings, policy=even_split, clock=clock)
    assert container.policy() is even_split
    assert container.clock() is clock


def test_a_storage_needs_no_database(settings: Settings) -> None:
    storage = MemoryStorage()
    container = bootstrap(settings, storage=storage, bus=MemoryMessageBus())
    container.migrate()
    assert container.read_model().stock(0, 1).total == 0
    stop = Event()
    stop.set()
    container.worker(stop=stop).run()
    container.relay(stop=stop).run()
    assert not list(Path(settings.database_url.removeprefix("sqlite:///")).parent.iterdir())


def test_a_storage_without_a_queue_needs_a_broker(settings: Settings) -> None:
    container = bootstrap(settings, storage=MemoryStorage())
    with pytest.raises(InvalidSetting, match="BROKER_URL: must be set: this storage has no queue"):
        container.bus()


def test_a_part_that_does_not_exist_is_named(settings: Settings) -> None:
    wrong: dict[str, Any] = {"polcy": even_split}
    with pytest.raises(TypeError, match=r"no such part: polcy \(there are: clock, engine, "):
        bootstrap(settings, **wrong)


def test_parts_of_installed_packages_are_found_by_the_scheme_of_their_url(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry_points = {
        "order_aggregator.buses": {"own": "somebodys:bus"},
        "order_aggregator.storage": {"own": "somebodys:storage"},
    }
    somebodys = (
        "from order_aggregator import MemoryMessageBus, MemoryStorage\n"
        "def bus(url): assert url == 'own://bus'; return MemoryMessageBus()\n"
        "def storage(url): assert url == 'own://storage'; return MemoryStorage()\n"
    )
    install(tmp_path, monkeypatch, entry_points, somebodys=somebodys)
    container: Container = bootstrap(Settings(database_url="own://storage", broker_url="own://bus"))
    assert isinstance(container.storage(), MemoryStorage)
    assert isinstance(container.bus(), MemoryMessageBus)


def test_an_engine_that_is_not_set_up_for_us_is_refused(tmp_path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/x.db")
    with pytest.raises(InvalidValue, match=r"engine: must be made by .*create_engine"):
        SqlStorage(engine)
    engine.dispose()


@pytest.mark.parametrize("broker_url", [None, "own://bus"])
def test_events_are_published_on_rabbitmq_alone(
    settings: Settings,
    broker_url: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry_points = {"order_aggregator.buses": {"own": "somebodys:bus"}}
    install(tmp_path, monkeypatch, entry_points, somebodys="bus = None\n")
    chosen = attrs.evolve(settings, broker_url=broker_url, events_exchange="shop.events")
    with pytest.raises(InvalidSetting, match="EVENTS_EXCHANGE: needs a BROKER_URL of RabbitMQ"):
        bootstrap(chosen).event_publisher()


def test_events_are_not_published_unless_that_is_set(settings: Settings) -> None:
    with_broker = attrs.evolve(settings, broker_url="amqp://localhost")
    assert bootstrap(with_broker).event_publisher() is None
    assert bootstrap(with_broker).publish_events() is None


def test_a_publisher_of_ones_own_needs_no_broker(settings: Settings) -> None:
    publisher, storage = MemoryEventPublisher(), MemoryStorage()
    container = bootstrap(settings, storage=storage, event_publisher=publisher)
    publish = container.publish_events()
    assert publish is not None
    publish()
    Shop(storage).sync("acme", {"apple": 1})
    publish()
    assert [document["type"] for document in publisher.published] == ["stock.back"]


def test_the_processes_of_an_api_say_how_many_orders_wait(settings: Settings) -> None:
    storage, stop = MemoryStorage(), Event()
    shop = Shop(storage)
    shop.sync("acme", {"apple": 1})
    shop.accepted(apple=1)
    container = bootstrap(settings, storage=storage, clock=shop.clock)
    api, worker = (
        container.heartbeat(kind, stop) for kind in (ProcessKind.API, ProcessKind.WORKER)
    )
    with api.running(), worker.running():
        eventually(lambda: len(samples(storage)) == 2)
        stop.set()
    assert {each.kind: each.figures.reserved for each in samples(storage)} == {
        ProcessKind.API: 1,
        ProcessKind.WORKER: None,
    }


def samples(storage: MemoryStorage) -> tuple[Sample, ...]:
    return storage.processes.samples(NOW - timedelta(days=1))


def test_orders_have_the_limits_of_the_settings(settings: Settings) -> None:
    chosen = attrs.evolve(settings, max_order_units=3, max_open_per_reference=1)
    storage = MemoryStorage()
    Shop(storage).sync("acme", {"apple": 9})
    container = bootstrap(chosen, storage=storage, bus=MemoryMessageBus())
    commands = [
        attrs.evolve(wish(apple=units), reference="mine", hold_for=timedelta(seconds=9))
        for units in (4, 1, 1)
    ]
    outcomes = container.place_orders()(commands)
    assert [type(outcome) for outcome in outcomes] == [OrderTooLarge, Order, TooManyOpenOrders]


def test_vendors_that_the_program_brings_cannot_retire(settings: Settings) -> None:
    storage = MemoryStorage()
    Shop(storage).sync("acme", {"apple": 9})
    own = {"acme": MemoryVendorGateway(Vendor(id="acme", name="Acme"))}
    container = bootstrap(settings, storage=storage, bus=MemoryMessageBus(), gateways=own)
    with pytest.raises(VendorInUse):
        container.retire_vendor()("acme")


def test_each_process_of_the_api_has_its_share_of_the_rate(settings: Settings) -> None:
    chosen = attrs.evolve(settings, rate_limit=Rate(6), api_processes=3)
    with bootstrap(chosen, storage=MemoryStorage(), bus=MemoryMessageBus()).api() as app:
        client = app.test_client()
        statuses = [client.get("/v1/api/stock").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
