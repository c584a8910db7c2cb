"""Tokens and the audit log on the command line, and who the running service lets in."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from order_aggregator.adapters.sql import SqlStorage, create_engine
from order_aggregator.domain.access import digest_of, is_token
from order_aggregator.entrypoints.cli import cli
from service import Service, eventually

PRODUCT = "sku-espresso-beans"
ORDER = {"product_id": PRODUCT, "quantity": 1}


def said(service: Service, *command: str) -> str:
    done = service.call(*command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make(service: Service, *scopes: str, name: str = "shop") -> dict[str, Any]:
    options = [word for scope in scopes for word in ("--scope", scope)]
    made: dict[str, Any] = json.loads(
        said(service, "token", "create", "--name", name, *options, "--json")
    )
    return made


def status(service: Service, path: str, token: str | None = None, method: str = "GET") -> int:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    body = ORDER if path == "/order" and method == "POST" else None
    url = f"{service.api}{path}"
    return httpx.request(method, url, headers=headers, json=body, timeout=30).status_code


def test_a_service_is_open_until_somebody_has_a_token(service: Service) -> None:
    """From then on each caller does what its scopes allow, until they are revoked."""
    assert status(service, "/order", method="POST") == 202
    assert service.said().count("api.open") == 1
    shop, admin = make(service, "orders:write"), make(service, "admin", name="boss")
    # Each of its processes: it is by chance which of them answers.
    eventually(lambda: {status(service, "/stock") for _ in range(20)} == {401}, what="closed")
    assert status(service, "/order", method="POST") == 401
    assert status(service, "/order", shop["token"], "POST") == 202
    assert status(service, "/vendor/acme/disable", shop["token"], "POST") == 403
    assert status(service, "/vendor/nobody/disable", admin["token"], "POST") == 404
    said(service, "token", "revoke", shop["id"])
    eventually(lambda: status(service, "/order", shop["token"], "POST") == 401, what="revoked")
    me = f"cli:{getpass.getuser()}"
    headers = {"Authorization": f"Bearer {admin['token']}"}
    entries = httpx.get(f"{service.api}/audit", headers=headers).json()
    told = ("actor", "operation", "target", "detail", "status")
    assert [tuple(entry[field] for field in told) for entry in entries] == [
        (me, "token revoke", shop["id"], None, 0),
        (f"token:{admin['id']}", "disable_vendor", "nobody", None, 404),
        (me, "token create", admin["id"], "boss; admin", 0),
        (me, "token create", shop["id"], "shop; orders:write", 0),
    ]
    lines = said(service, "token", "list", "--json").splitlines()
    assert [json.loads(line)["last_used_at"] is not None for line in lines if "of_demo" in line]


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlStorage:
    """That of the commands."""
    url = f"sqlite:///{tmp_path}/orders.db"
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("BROKER_URL", "")
    made = SqlStorage(create_engine(url))
    made.migrate()
    return made


def invoke(*command: str) -> Result:
    return CliRunner().invoke(cli, command, prog_name="order-aggregator")


def test_the_lists_show_no_token(storage: SqlStorage) -> None:
    shown = invoke("token", "create", "--name", "shop", "--scope", "admin", "--expires", "90d")
    token = shown.output.split()[-1]
    [kept] = storage.access_tokens.all()
    assert (is_token(token), kept.digest) == (True, digest_of(token))
    listed = invoke("token", "list").output
    assert ("shop" in listed, "valid" in listed) == (True, True)
    as_json = invoke("token", "list", "--json").output
    assert json.loads(as_json)["scopes"] == ["admin"]
    for text in (listed, as_json):
        assert not any(secret in text for secret in (token, kept.digest))
    assert invoke("token", "revoke", kept.id).exit_code == 0
    assert "revoked" in invoke("token", "list").output


def test_a_token_may_have_limits_of_its_own(storage: SqlStorage) -> None:
    made = ("token", "create", "--name", "till", "--scope", "admin", "--json")
    shown = json.loads(invoke(*made, "--rate-limit", "100/60", "--daily-quota", "5000").output)
    told = ("rate_limit", "daily_quota", "requests_today")
    assert [shown[name] for name in told] == ["100/60", 5000, 0]
    other = json.loads(invoke(*made, "--rate-limit", "7").output)
    assert [other[name] for name in told] == ["7", None, 0]
    with storage.unit_of_work() as uow:
        uow.access_tokens.note_uses({shown["id"]: 42}, datetime.now(UTC))
        uow.commit()
    lines = invoke("token", "list", "--json").output.splitlines()
    assert [[json.loads(line)[name] for name in told] for line in lines] == [
        ["100/60", 5000, 42],
        ["7", None, 0],
    ]
    head, *rows = (line.split() for line in invoke("token", "list").output.splitlines())
    assert head[-4:] == ["RATE", "QUOTA", "TODAY", "SCOPES"]
    assert [row[-4:] for row in rows] == [
        ["100/60", "5000", "42", "admin"],
        ["7", "-", "0", "admin"],
    ]


def test_what_commands_change_is_recorded(storage: SqlStorage) -> None:
    assert invoke("vendor", "disable", "nobody").exit_code == 1
    assert invoke("order", "place", "tea=1", "cup=2").exit_code == 1
    assert invoke("sync", "--retire", "nobody").exit_code == 1
    assert invoke("stock", "list").exit_code == 0
    assert invoke("reset", "--yes").exit_code == 0
    lines = invoke("audit", "list", "--json").output.splitlines()
    # What was before is deleted with everything else.
    [entry] = map(json.loads, lines)
    assert (entry["actor"], entry["operation"]) == (f"cli:{getpass.getuser()}", "reset")
    assert invoke("product", "set", "tea").exit_code == 1
    assert invoke("order", "place", "tea=1", "cup=2").exit_code == 1
    rows = [line.split() for line in invoke("audit", "list").output.splitlines()]
    assert [row[2:-3] for row in rows] == [
        ["WHAT", "TARGET"],
        ["order", "place", "tea=1", "cup=2"],
        ["product", "set", "tea"],
        ["reset", "-"],
    ]


def test_the_record_says_what_was_made_and_no_secret(storage: SqlStorage, tmp_path: Path) -> None:
    file = tmp_path / "vendors.toml"
    file.write_text(
        '[[vendor]]\nid = "acme"\nname = "Acme"\ntype = "http"\nformat = "csv"\n'
        'url = "https://me:sesame@acme.example/stock.csv?key=sesame#sesame"\n'
        '[[vendor]]\nid = "bolt"\nname = "Bolt"\ntype = "file"\nformat = "csv"\npath = "b.csv"\n'
    )
    hook = ("webhook", "add", "https://a.example/in?key=sesame", "--type", "order.*")
    made = json.loads(invoke(*hook, "--json").output)
    assert invoke("webhook", "add", "http://me:sesame@a.example/?key=sesame").exit_code == 1
    assert invoke("vendor", "add", str(file)).exit_code == 0
    invoke("token", "create", "--name", "x", "--scope", "nothing")
    limits = ("--rate-limit", "5", "--daily-quota", "9", "--expires", "1d")
    assert invoke("token", "create", "--name", "y", "--scope", "admin", *limits).exit_code == 0
    entries = storage.audit_trail.page(0, 9).items
    [token] = storage.access_tokens.all()
    assert token.expires_at is not None
    until = token.expires_at.isoformat()[:16]
    assert [(entry.operation, entry.target, entry.detail) for entry in reversed(entries)] == [
        ("webhook add", made["id"], "https://a.example order.*"),
        ("webhook add", "http://…", None),
        ("vendor add", "acme, bolt", "Acme: http https://…; Bolt: file b.csv"),
        ("token create", "x", None),
        ("token create", token.id, f"y; admin; rate 5; 9 a day; until {until}"),
    ]
    assert "sesame" not in invoke("audit", "list").output


def test_what_makes_no_sense_is_one_clear_line(storage: SqlStorage) -> None:
    one = ("create", "--name", "x", "--scope", "admin")
    cases = {
        ("create", "--name", "x", "--scope", "all"): "scope: must be one of orders:read, ",
        ("create", "--name", "x", "--scope", "admin", "--expires", "x"): "--expires: must be",
        ("create", "--name", "x", "--scope", "admin", "--expires", "0d"): "expires: must be",
        ("create", "--name", "", "--scope", "admin"): "name: must have 1 to 200",
        (*one, "--rate-limit", "5/"): "--rate-limit: must be <requests> or <requests>/<seconds>",
        (*one, "--rate-limit", "0"): "--rate-limit: must be <requests> or",
        (*one, "--daily-quota", "0"): "daily_quota: must be a whole number from 1 to 1000000000",
        ("revoke", "nothing"): "unknown token: nothing",
    }
    for command, expected in cases.items():
        done = invoke("token", *command)
        assert (done.exit_code, done.stdout) == (1, ""), command
        assert done.stderr.startswith(f"Error: {expected}"), done.stderr
    assert storage.access_tokens.all() == []


@pytest.mark.parametrize("command", ["api", "run"])
def test_nobody_is_let_in_from_elsewhere_before_it_is_said_who(
    embedded: Service, command: str
) -> None:
    said(embedded, "migrate")
    embedded.environment["HOST"] = "0.0.0.0"
    done = embedded.call(command)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: HOST: 0.0.0.0 can be reached from other machines, and no")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("how", ["token", "said"])
def test_once_it_is_said_who_it_listens_everywhere(embedded: Service, how: str) -> None:
    said(embedded, "migrate")
    embedded.environment["HOST"] = "0.0.0.0"
    if how == "said":
        embedded.environment["OPEN_TO_EVERYBODY"] = "yes"
    else:
        make(embedded, "admin")
    embedded.start("api")
    embedded.wait_until_ready()
    assert status(embedded, "/stock") == (200 if how == "said" else 401)


def test_the_identity_provider_has_to_be_named_in_full(embedded: Service) -> None:
    embedded.environment["JWT_ISSUER"] = "https://id.example"
    done = embedded.call("api")
    assert done.stderr.startswith("Error: JWT_AUDIENCE: must be set: JWT_ISSUER, JWT_AUDIENCE, JWT")


def test_the_demo_s_own_token_closes_nothing(embedded: Service) -> None:
    """Its vendors go on learning of orders by it when another one has closed the API."""
    embedded.environment["MOCK_VENDORS_API"] = embedded.root
    running = embedded.start("run")
    embedded.wait_until_said("Ctrl-C stops it.")
    [line] = [line for line in embedded.said().splitlines() if line.startswith("  Token ")]
    token = line.split()[1]
    assert status(embedded, "/stock") == 200
    assert status(embedded, "/stock", token) == 200
    assert status(embedded, "/sync", token, "POST") == 403
    make(embedded, "admin")
    eventually(lambda: status(embedded, "/stock") == 401, what="closed")
    assert status(embedded, "/order", token, "POST") == 202
    running.terminate()
    assert running.wait(30) == 0
    assert "demo" not in said(embedded, "token", "list")
