"""Settings from the environment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from installed import install
from order_aggregator import even_split, highest_first, highest_then_even
from order_aggregator.adapters.system.settings import (
    InvalidSetting,
    Settings,
    read_settings,
)
from order_aggregator.domain.rate import Rate
from settings_table import readme_rows, written


def test_everything_has_a_default() -> None:
    settings = read_settings({})
    assert settings.database_url == "sqlite:///data/order_aggregator.db"
    assert settings.broker_url is None
    assert (settings.host, settings.port) == ("127.0.0.1", 3000)
    assert settings.allocation_policy is highest_then_even


def test_the_readme_lists_every_setting_with_its_default() -> None:
    fields = attrs.fields(Settings)
    rows = readme_rows()
    assert set(rows) == {field.metadata["variable"] for field in fields}
    for field in fields:
        if field.default is not None:
            assert rows[field.metadata["variable"]].default == written(field.default)


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
            "RATE_LIMIT": "100/60",
        }
    )
    assert settings.broker_url == "amqp://localhost"
    assert settings.port == 8080
    assert settings.retry_delay == timedelta(milliseconds=250)
    assert settings.allocation_policy is even_split
    assert settings.log_level == "debug"
    assert settings.rate_limit == Rate(100, 60)
    assert read_settings({"RATE_LIMIT": "50"}).rate_limit == Rate(50)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("DATABASE_URL", "mysql://x", "must be sqlite:///<file> or postgresql"),
        ("DATABASE_URL", "sqlite://", "must be sqlite:///<file> or postgresql"),
        ("DATABASE_URL", "mysql+postgresql://x/y", "must be sqlite:///<file> or postgresql"),
        ("BROKER_URL", "http://x", "must be amqp://<host>/<vhost> or amqps://"),
        ("EVENTS_EXCHANGE", "amq.topic", "1 to 255 bytes that do not begin with amq"),
        ("EVENTS_EXCHANGE", "é" * 128, "1 to 255 bytes that do not begin with amq"),
        ("CORS_ORIGINS", "shop.example", "must be \\* or origins such as https://shop.example"),
        ("CORS_ORIGINS", "https://shop.example/", "must be \\* or origins"),
        ("CORS_ORIGINS", "*, https://shop.example", "must be \\* or origins"),
        ("CORS_ORIGINS", ".*", "must be \\* or origins"),
        ("JWT_JWKS_URL", "file:///etc/passwd", "must be http://"),
        ("OPEN_TO_EVERYBODY", "1", "must be yes or no"),
        ("PORT", "0", "from 1 to 65535"),
        ("PORT", "65536", "from 1 to 65535"),
        ("PORT", "3000.0", "whole number"),
        ("PORT", "²", "whole number"),
        ("LOG_LEVEL", "loud", "must be one of debug"),
        ("LOG_FORMAT", "xml", "must be one of console, json, logfmt"),
        ("METRICS_PORT", "65535", "from 0 to 65534"),
        ("ALLOCATION_POLICY", "best", "must be one of highest_then_even"),
        ("ALLOCATION_POLICY", "priority:a,a", "each of them once"),
        ("RETRY_DELAY", "nan", "number of seconds"),
        ("RETRY_DELAY", "0", "number of seconds"),
        ("RETRY_DELAY", "1e-9", "number of seconds"),
        ("SYNC_INTERVAL", "-1e300", "number of seconds"),
        ("SYNC_INTERVAL", "86400.1", "number of seconds above 0, up to 86400"),
        ("SYNC_INTERVAL", "soon", "number of seconds"),
        ("MAX_ORDER_UNITS", "0", "whole number from 1 to 1000000000"),
        ("MAX_OPEN_PER_REFERENCE", "many", "whole number from 1 to 1000000000"),
        ("RATE_LIMIT", "0", "must be <requests> or <requests>/<seconds>: 1 to 1000000 requests"),
        ("RATE_LIMIT", "5/0", "in 1 to 86400 seconds"),
        ("RATE_LIMIT", "5/", "must be <requests>"),
        ("RATE_LIMIT", "1.5", "must be <requests>"),
        ("RATE_LIMIT", "5/1/1", "must be <requests>"),
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
        read_settings({"DATABASE_URL": "mysql://user:secret@host/db"})
    assert "secret" not in str(caught.value)


def test_settings_are_made_in_code_from_real_values() -> None:
    settings = Settings(database_url="sqlite:///x.db", port=8080, retry_delay=timedelta(seconds=2))
    assert attrs.evolve(settings, max_attempts=3) == Settings(
        database_url="sqlite:///x.db", port=8080, retry_delay=timedelta(seconds=2), max_attempts=3
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"port": "3000"}, "PORT: must be a whole number"),
        ({"port": True}, "PORT: must be a whole number"),
        ({"retry_delay": 1}, "RETRY_DELAY: must be a number of seconds"),
        ({"retry_delay": timedelta()}, "RETRY_DELAY: must be a number of seconds"),
        ({"allocation_policy": "even_split"}, "ALLOCATION_POLICY: must be a policy"),
        ({"database_url": "x"}, "DATABASE_URL: must be sqlite"),
        ({"rate_limit": 5}, "RATE_LIMIT: must be a Rate"),
        ({"host": None}, "HOST: must be text"),
    ],
)
def test_wrong_values_in_code_are_named_too(values: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidSetting, match=expected):
        attrs.evolve(Settings(), **values)


def test_a_policy_of_ones_own_is_found_by_its_place() -> None:
    settings = read_settings({"ALLOCATION_POLICY": "order_aggregator.domain.allocation:even_split"})
    assert settings.allocation_policy is even_split


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("nowhere.at.all:policy", "cannot load nowhere.at.all:policy"),
        ("order_aggregator:nothing", "cannot load order_aggregator:nothing"),
        ("order_aggregator.domain.order:MAX_LINES", "must be a policy"),
    ],
)
def test_a_policy_that_cannot_be_loaded_is_said_at_the_start(place: str, expected: str) -> None:
    with pytest.raises(InvalidSetting, match=f"ALLOCATION_POLICY: {expected}"):
        read_settings({"ALLOCATION_POLICY": place})


def test_installed_packages_bring_policies_and_urls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry_points = {
        "order_aggregator.policies": {
            "cheapest": "order_aggregator.domain.allocation:highest_first",
            "broken": "nowhere:policy",
        },
        "order_aggregator.buses": {"nats": "nowhere:bus"},
        "order_aggregator.storage": {"mysql": "nowhere:storage"},
    }
    install(tmp_path, monkeypatch, entry_points)
    assert read_settings({"ALLOCATION_POLICY": "cheapest"}).allocation_policy is highest_first
    with pytest.raises(InvalidSetting, match="cannot load the plug-in broken"):
        read_settings({"ALLOCATION_POLICY": "broken"})
    settings = read_settings({"BROKER_URL": "nats://x", "DATABASE_URL": "mysql://x"})
    assert settings.broker_url == "nats://x"
