"""Tokens and the audit log on the command line, and who the running service lets in."""

from __future__ import annotations

import getpass
import json
from typing import Any

import httpx
import pytest

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
    eventually(lambda: status(service, "/stock") == 401, what="closed")
    assert status(service, "/order", method="POST") == 401
    assert status(service, "/order", shop["token"], "POST") == 202
    assert status(service, "/vendor/acme/disable", shop["token"], "POST") == 403
    assert status(service, "/vendor/nobody/disable", admin["token"], "POST") == 404
    said(service, "token", "revoke", shop["id"])
    eventually(lambda: status(service, "/order", shop["token"], "POST") == 401, what="revoked")
    assert service.call("order", "place", f"{PRODUCT}=1").returncode == 0
    me = f"cli:{getpass.getuser()}"
    entries = [json.loads(line) for line in said(service, "audit", "list", "--json").splitlines()]
    assert [(x["actor"], x["operation"], x["target"], x["status"]) for x in entries] == [
        (me, "order place", f"{PRODUCT}=1", 0),
        (me, "token revoke", shop["id"], 0),
        (f"token:{admin['id']}", "disable_vendor", "nobody", 404),
        (me, "token create", "boss", 0),
        (me, "token create", "shop", 0),
    ]
    assert me in said(service, "audit", "list")
    headers = {"Authorization": f"Bearer {admin['token']}"}
    answer = httpx.get(f"{service.api}/audit", headers=headers)
    assert [entry["operation"] for entry in answer.json()][:2] == ["order place", "token revoke"]
    _the_lists_show_no_token(service, [shop, admin])


def _the_lists_show_no_token(service: Service, tokens: list[dict[str, Any]]) -> None:
    def uses() -> dict[str, str | None]:
        lines = said(service, "token", "list", "--json").splitlines()
        return {each["name"]: each["last_used_at"] for each in map(json.loads, lines)}

    eventually(lambda: uses()["boss"] is not None, what="its use is noted")
    for listed in (said(service, "token", "list"), said(service, "token", "list", "--json")):
        assert "shop" in listed
        assert all(each["token"] not in listed for each in tokens)
        assert "digest" not in listed
    assert "revoked" in said(service, "token", "list")


def test_what_makes_no_sense_is_one_clear_line(embedded: Service) -> None:
    said(embedded, "migrate")
    cases = {
        (
            "create",
            "--name",
            "x",
            "--scope",
            "all",
        ): "scope: must be one of orders:read, ",
        ("create", "--name", "x", "--scope", "admin", "--expires", "x"): "--expires: must be",
        ("create", "--name", "x", "--scope", "admin", "--expires", "0d"): "expires: must be",
        ("create", "--name", "", "--scope", "admin"): "name: must have 1 to 200",
        ("revoke", "nothing"): "unknown token: nothing",
    }
    for command, expected in cases.items():
        done = embedded.call("token", *command)
        assert (done.returncode, done.stdout) == (1, ""), command
        assert done.stderr.startswith(f"Error: {expected}"), done.stderr
    assert said(embedded, "token", "list").splitlines()[1:] == []


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
