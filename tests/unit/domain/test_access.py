"""Scopes and tokens."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta

import pytest

from order_aggregator.adapters.system.secrets import new_token
from order_aggregator.domain.access import (
    ADMIN,
    EVENTS_READ,
    IMPLIED,
    OPERATE,
    ORDERS_READ,
    ORDERS_WRITE,
    STOCK_READ,
    Principal,
    is_token,
    parse_scope,
    permitted_by,
)
from order_aggregator.domain.errors import InvalidValue
from order_aggregator.testing.access_tokens import make_token
from order_aggregator.testing.shop import Shop
from order_aggregator.testing.shop_work import NOW

READS = {ORDERS_READ, STOCK_READ, EVENTS_READ}


def who(*scopes: str) -> Principal:
    return Principal(id="token:1", permitted=permitted_by(scopes))


def test_what_is_implied_is_implied_by_all_that_imply_it() -> None:
    for scope, implied in IMPLIED.items():
        for each in implied:
            assert IMPLIED[each] <= implied, (scope, each)
    assert IMPLIED[ADMIN] == set(IMPLIED) - {ADMIN}
    assert IMPLIED[OPERATE] == READS
    assert IMPLIED[ORDERS_WRITE] == {ORDERS_READ}


def test_a_vendor_may_what_is_its_own() -> None:
    acme = who("vendor: acme ")
    assert acme.may("vendor:acme")
    assert not acme.may("vendor:other")
    assert not any(map(acme.may, IMPLIED))
    assert who(OPERATE).may("vendor:acme")
    assert who(ADMIN).may("vendor:acme")
    assert not who(ORDERS_WRITE, *READS).may("vendor:acme")


def test_what_is_no_scope_of_ours_means_nothing() -> None:
    assert permitted_by(["openid", "Admin", "orders"]) == frozenset()


@pytest.mark.parametrize("text", ["", "Admin", "orders", "vendor:", "vendor", "vendor:\0"])
def test_a_scope_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="scope"):
        parse_scope(text)


def test_a_token_is_told_by_its_form_and_its_checksum() -> None:
    token = new_token()
    assert re.fullmatch("oat_[0-9A-Za-z]{36}", token)
    assert new_token() != token
    assert is_token(token)
    position = 4 + secrets.randbelow(36)
    other = "A" if token[position] != "A" else "B"
    wrong = [token[:position] + other + token[position + 1 :], token[:-1], token + "0", "oat_"]
    assert not any(map(is_token, [*wrong, token.replace("oat_", "oax_"), "ö" * 40, ""]))


def test_a_token_is_valid_until_it_expires_or_is_revoked() -> None:
    minute = timedelta(minutes=1)
    assert make_token("a").is_valid(NOW + 1_000_000 * minute)
    assert make_token("a", expires_at=NOW + minute).is_valid(NOW)
    assert not make_token("a", expires_at=NOW + minute).is_valid(NOW + minute)
    assert not make_token("a", revoked_at=NOW).is_valid(NOW)


def test_a_token_has_a_name_and_known_scopes() -> None:
    actions = Shop().token_actions
    for name, scopes in (("", ["admin"]), ("x", []), ("x", ["nothing"])):
        with pytest.raises(InvalidValue):
            actions.create(name, scopes)
    assert actions.directory.all() == []
    token, _ = actions.create("x", ["vendor: a ", "admin", "vendor:a"])
    assert token.scopes == ("vendor:a", "admin")
