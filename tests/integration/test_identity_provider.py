"""JWTs of an identity provider whose keys are fetched over HTTP."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask import Flask
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from api_under_test import PREFIX, ApiUnderTest
from asgi_servers import serving_uvicorn
from order_aggregator.adapters.jwt import identity_provider
from order_aggregator.adapters.jwt.identity_provider import JwtIdentityProvider
from order_aggregator.domain.access import Principal, Unauthenticated
from order_aggregator.domain.errors import IdentityProviderUnavailable
from order_aggregator.entrypoints.api.scheduling import GreenletScheduler
from order_aggregator.entrypoints.serving.asgi import AsgiApplication

ISSUER, AUDIENCE = "https://id.example/", "orders"
OLD = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NEW = ec.generate_private_key(ec.SECP256R1())


class Provider:
    """Serves its keys; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.keys = [RSAAlgorithm.to_jwk(OLD.public_key(), as_dict=True) | {"kid": "old"}]
        self.status = 200
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                body = json.dumps({"keys": provider.keys}).encode()
                self.send_response(provider.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/keys"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def rotate(self) -> None:
        self.keys = [ECAlgorithm.to_jwk(NEW.public_key(), as_dict=True) | {"kid": "new"}]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.close()


@pytest.fixture
def verifier(provider: Provider) -> JwtIdentityProvider:
    return JwtIdentityProvider(ISSUER, AUDIENCE, provider.url)


def token(
    key: Any = OLD, algorithm: str = "RS256", kid: str | None = "old", **claims: object
) -> str:
    given: dict[str, object] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "shop",
        "scope": "openid orders:write",
    }
    given |= {"exp": datetime.now(UTC) + timedelta(days=1)} | claims
    told = {name: value for name, value in given.items() if value is not None}
    return jwt.encode(told, key, algorithm, {} if kid is None else {"kid": kid})


def test_a_subject_has_the_scopes_of_its_token(verifier: JwtIdentityProvider) -> None:
    principal = verifier.verify(token(client_id="shop-backend"))
    assert (principal.id, principal.name) == ("jwt:shop", "shop-backend")
    assert principal.permitted == {"orders:write", "orders:read"}
    assert principal.expires_at is not None


@pytest.mark.parametrize("scp", ["vendor:acme stock:read", ["vendor:acme", "stock:read", 7]])
def test_scopes_may_be_told_as_scp(verifier: JwtIdentityProvider, scp: object) -> None:
    principal = verifier.verify(token(scope=None, scp=scp))
    assert principal.permitted == {"vendor:acme", "stock:read"}


def unsigned() -> str:
    return jwt.encode({"iss": ISSUER, "aud": AUDIENCE, "sub": "x", "exp": 2**31}, "", "none")


def signed_by_public_key() -> str:
    """By what everybody knows, as if it were a secret: what RFC 8725, 2.1 warns of."""
    head, body = (
        urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": "HS256", "kid": "old"}, {"sub": "x"})
    )
    return f"{head}.{body}.AAAA"


LATE = datetime.now(UTC) - timedelta(minutes=5)


@pytest.mark.parametrize(
    "wrong",
    [
        token(iss="https://other.example/"),
        token(aud="others"),
        token(exp=LATE),
        token(exp=None),
        token(exp=10**30),
        token(sub=None),
        token(sub=7),
        token(nbf=datetime.now(UTC) + timedelta(days=1)),
        token(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        token(kid="unheard of"),
        token(kid=None),
        token("secret" * 8, "HS256"),
        token()[:-4],
        unsigned(),
        signed_by_public_key(),
        "a.b.c",
        "é",
        "",
    ],
)
def test_what_is_not_right_is_refused(verifier: JwtIdentityProvider, wrong: str) -> None:
    with pytest.raises(Unauthenticated):
        verifier.verify(wrong)


def test_the_provider_s_clock_may_be_a_little_off(verifier: JwtIdentityProvider) -> None:
    late = token(exp=datetime.now(UTC) - timedelta(seconds=10))
    assert verifier.verify(late).id == "jwt:shop"


def test_keys_are_fetched_once_and_again_for_a_new_one(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity_provider, "COOLDOWN", 0.0)
    verifier = JwtIdentityProvider(ISSUER, AUDIENCE, provider.url)
    for _ in range(3):
        verifier.verify(token())
    assert provider.asked == 1
    provider.rotate()
    assert verifier.verify(token(NEW, "ES256", "new")).id == "jwt:shop"
    assert provider.asked == 2


def test_unknown_keys_have_it_asked_no_more_than_now_and_then(
    provider: Provider, verifier: JwtIdentityProvider
) -> None:
    verifier.verify(token())
    for number in range(5):
        with pytest.raises(Unauthenticated):
            verifier.verify(token(kid=f"made up {number}"))
    assert provider.asked == 1


def test_a_provider_that_is_away_refuses_nobody_for_good(
    provider: Provider, verifier: JwtIdentityProvider
) -> None:
    provider.status = 500
    for _ in range(3):
        with pytest.raises(IdentityProviderUnavailable):
            verifier.verify(token())
    assert provider.asked == 1


def test_one_that_serves_no_keys_is_as_if_it_were_away(
    provider: Provider, verifier: JwtIdentityProvider
) -> None:
    provider.keys = []
    with pytest.raises(IdentityProviderUnavailable):
        verifier.verify(token())


def test_callers_are_let_in_by_their_jwts(provider: Provider) -> None:
    """In the event loop, too, where placing an order runs; each is verified once."""
    verified = []

    class Counting(JwtIdentityProvider):
        def verify(self, token: str) -> Principal:
            verified.append(token)
            return super().verify(token)

    @contextmanager
    def build(scheduler: GreenletScheduler) -> Iterator[Flask]:
        verifier = Counting(ISSUER, AUDIENCE, provider.url)
        yield ApiUnderTest(scheduler=scheduler, identity_provider=verifier).app

    order = {"product_id": "BOLT", "quantity": 1}
    good = token()
    with (
        serving_uvicorn(AsgiApplication(build, threads=2)) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}{PREFIX}") as client,
    ):

        def place(credentials: str | None) -> int:
            headers = {} if credentials is None else {"Authorization": f"Bearer {credentials}"}
            return client.post("/order", json=order, headers=headers).status_code

        assert [place(good) for _ in range(3)] == [202] * 3
        assert verified == [good]
        assert place(None) == 401
        assert place(token(scope="stock:read")) == 403
        assert place(token(aud="others")) == 401
        provider.status = 500
        assert place(good) == 202


def test_while_the_provider_is_away_callers_are_to_come_back(provider: Provider) -> None:
    provider.status = 500
    api = ApiUnderTest(identity_provider=JwtIdentityProvider(ISSUER, AUDIENCE, provider.url))
    headers = {"Authorization": f"Bearer {token()}"}
    answer = api.client.get(PREFIX + "/stock", headers=headers)
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert answer.get_json()["type"].endswith(":identity-provider-unavailable")
    mine = {"Authorization": f"Bearer {api.token('stock:read')}"}
    assert api.client.get(PREFIX + "/stock", headers=mine).status_code == 200
    api.close()
