"""Secrets that lie elsewhere, and what is done with them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from order_aggregator.adapters.vendors.authorization import authorization, secret
from order_aggregator.domain.errors import InvalidValue


def test_a_secret_stands_there_or_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_KEY", "from the environment")
    (tmp_path / "key").write_text("from a file\n")
    assert secret("plain", "key", tmp_path) == "plain"
    assert secret({"env": "ACME_KEY"}, "key", tmp_path) == "from the environment"
    assert secret({"file": "key"}, "key", tmp_path) == "from a file"


@pytest.mark.parametrize("value", [7, None, [], {}, {"env": 7}, {"env": "A", "file": "b"}])
def test_what_is_no_secret_names_the_field(value: object, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"headers\.X: must be text"):
        secret(value, "headers.X", tmp_path)


def test_basic(tmp_path: Path) -> None:
    auth = authorization({"type": "basic", "user": "me", "password": "s3cret"}, tmp_path)
    request = next(auth.auth_flow(httpx.Request("GET", "http://a.example/")))
    assert request.headers["Authorization"] == "Basic bWU6czNjcmV0"


@pytest.mark.parametrize(
    "told",
    [
        None,
        "basic",
        {"type": "kerberos"},
        {"type": "basic", "user": "me", "password": "x", "realm": "y"},
        {"type": "oauth2", "token_url": "http://a.example/", "client_id": "x"},
        {"type": "oauth2", "token_url": "", "client_id": "x", "client_secret": "y"},
    ],
)
def test_what_is_missing_or_too_much_is_refused(told: object, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="auth"):
        authorization(told, tmp_path)
