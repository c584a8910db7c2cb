"""A database whose users are calls in an event loop: while they wait for it, the loop goes on."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from threading import Event, Thread

import pytest
from sqlalchemy import Engine, text

from event_loop import called, run, until
from order_aggregator.adapters.sql import SqlStorage, create_engine
from order_aggregator.adapters.sql.engine import POOL_OVERFLOW, POOL_SIZE
from order_aggregator.adapters.sql.errors import driver_errors_translated
from order_aggregator.adapters.sql.write_lock import write_lock
from order_aggregator.adapters.system.greenlets import GreenletPool
from order_aggregator.domain.errors import StorageUnavailable
from order_aggregator.testing.shop import Shop, wish
from order_aggregator.testing.shop_work import central, stock_up

TERMINATE = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def ask(engine: Engine, question: str, **values: object) -> object:
    with driver_errors_translated(), engine.connect() as connection:
        return connection.execute(text(question), values).scalar()


def test_the_whole_storage_works_in_a_call(engine: Engine) -> None:
    storage = SqlStorage(engine)
    shop = Shop(storage)

    def call() -> None:
        shop.sync("acme", {"apple": 5})
        shop.fulfil(*shop.place(wish(apple=1), wish(apple=2)))  # type: ignore[arg-type]

    called(call)
    assert central(storage, "apple") == (2, 0)
    assert shop.discrepancies() == []


def test_the_loop_goes_on_while_a_question_is_answered(postgresql: Engine) -> None:
    ask(postgresql, "SELECT 1")
    answer, turns = called(lambda: ask(postgresql, "SELECT 7 FROM pg_sleep(0.3)"))
    assert answer == 7
    assert turns > 10


def test_questions_and_answers_may_be_larger_than_what_is_sent_at_once(postgresql: Engine) -> None:
    large = "x" * 20_000_000
    answer, _ = called(lambda: ask(postgresql, "SELECT CAST(:large AS text)", large=large))
    assert answer == large


def test_calls_ask_side_by_side(postgresql: Engine) -> None:
    answers: list[object] = []

    def call(number: int) -> None:
        answers.append(ask(postgresql, f"SELECT {number} FROM pg_sleep({number} * 0.1)"))

    async def main() -> None:
        calls = GreenletPool()
        for number in (3, 2, 1, 0):
            calls.start(lambda number=number: call(number))  # type: ignore[misc]
        await until(lambda: len(answers) == 4)

    run(main())
    assert sorted(answers) == [0, 1, 2, 3]  # type: ignore[type-var]
    assert answers[0] == 0


def test_the_loop_goes_on_while_a_server_does_not_let_us_in() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        engine = create_engine(f"postgresql+psycopg://u@127.0.0.1:{port}/x?connect_timeout=2")
        turns = []
        with pytest.raises(StorageUnavailable):
            called(lambda: ask(engine, "SELECT 1"), lambda: turns.append(5))
        assert turns == [5]


def test_the_loop_goes_on_while_no_connection_is_free(postgresql: Engine) -> None:
    storage = SqlStorage(postgresql)
    stock_up(storage, "acme", apple=5)
    with ExitStack() as taken:
        for _ in range(POOL_SIZE + POOL_OVERFLOW):
            taken.enter_context(postgresql.connect())
        _, turns = called(lambda: Shop(storage).place(wish(apple=1)), meanwhile=taken.close)
    assert turns >= 5
    assert central(storage, "apple") == (5, 1)


def test_a_connection_lost_in_the_middle_of_a_question_is_told(postgresql: Engine) -> None:
    other = create_engine(postgresql.url.render_as_string(hide_password=False))
    with pytest.raises(StorageUnavailable):
        called(
            lambda: ask(postgresql, "SELECT 1 FROM pg_sleep(15)"),
            meanwhile=lambda: ask(other, TERMINATE.text),
        )
    # And the next one has a new connection.
    assert called(lambda: ask(postgresql, "SELECT 1"))[0] == 1
    other.dispose()


def test_the_loop_goes_on_while_another_one_writes(sqlite: Engine) -> None:
    storage = SqlStorage(sqlite)
    stock_up(storage, "acme", apple=5)
    holding, let_go = Event(), Event()

    def hold() -> None:
        with write_lock(sqlite):
            holding.set()
            let_go.wait(10)

    other = Thread(target=hold)
    other.start()
    assert holding.wait(10)
    _, turns = called(lambda: Shop(storage).place(wish(apple=1)), meanwhile=let_go.set)
    other.join()
    assert turns >= 5
    assert central(storage, "apple") == (5, 1)
