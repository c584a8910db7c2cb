"""Settings from the environment."""

from __future__ import annotations

from datetime import timedelta

import pytest

from order_aggregator import even_split, highest_then_even
from order_aggregator.adapters.system.settings import InvalidSetting, read_settings


def test_everything_has_a_default() -> None:
    settings = read_settings({})
    assert settings.database_url == "sqlite:///data/order_aggregator.db"
    assert settings.broker_url is None
    assert (settings.host, settings.port) == ("127.0.0.1", 3000)
    assert settings.allocation_policy is highest_then_even


def test_an_empty_variable_counts_as_unset() -> None:
    assert read_settings({"PORT": "", "BROKER_URL": ""}) == read_settings({})


def test_values_are_converted() -> None:
    settings = read_settings(
        {
            "BROKER_URL": "amqp://localhost",
            "PORT": "8080",
            "RETRY_DELAY": "0.25",
            "ALLOCATION_POLICY": "even_split",
            "LOG_LEVEL": "DEBUG",
        }
    )
    assert settings.broker_url == "amqp://localhost"
    assert settings.port == 8080
    assert settings.retry_delay == timedelta(milliseconds=250)
    assert settings.allocation_policy is even_split
    assert settings.log_level == "debug"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("DATABASE_URL", "mysql://x", "must be sqlite:///<file> or postgresql"),
        ("DATABASE_URL", "sqlite://", "must be sqlite:///<file> or postgresql"),
        ("DATABASE_URL", "postgresql://x/y", "must be sqlite:///<file> or postgresql"),
        ("BROKER_URL", "http://x", "must be amqp://<host>/<vhost> or amqps://"),
        ("PORT", "0", "from 1 to 65535"),
        ("PORT", "65536", "from 1 to 65535"),
        ("PORT", "3000.0", "whole number"),
        ("PORT", "²", "whole number"),
        ("LOG_LEVEL", "loud", "must be one of debug"),
        ("ALLOCATION_POLICY", "best", "must be one of highest_then_even"),
        ("ALLOCATION_POLICY", "priority:a,a", "each of them once"),
        ("RETRY_DELAY", "nan", "number of seconds"),
        ("RETRY_DELAY", "0", "number of seconds"),
        ("RETRY_DELAY", "1e-9", "number of seconds"),
        ("SYNC_INTERVAL", "-1e300", "number of seconds"),
        ("SYNC_INTERVAL", "86400.1", "number of seconds above 0, up to 86400"),
        ("SYNC_INTERVAL", "soon", "number of seconds"),
        ("MAX_ATTEMPTS", "21", "from 1 to 20"),
    ],
)
def test_a_bad_value_names_its_variable_and_what_was_expected(
    name: str, text: str, expected: str
) -> None:
    with pytest.raises(InvalidSetting, match=f"^{name}: .*{expected}"):
        read_settings({name: text})


def test_a_complaint_never_shows_the_value() -> None:
    with pytest.raises(InvalidSetting) as caught:
        read_settings({"DATABASE_URL": "postgres://user:secret@host/db"})
    assert "secret" not in str(caught.value)
