"""Who is let in to the dashboard, and by what."""

from __future__ import annotations

import pytest
from werkzeug.test import TestResponse

from api_under_test import ApiUnderTest
from dashboard_forms import OWN, act

COOKIE = "order_aggregator_token"


def sign_in(api: ApiUnderTest, token: str, next: str = "", **more: str) -> TestResponse:  # noqa: A002
    headers = {**OWN, **more}
    data = {"token": token, "next": next}
    return api.client.post("/dashboard/login", data=data, headers=headers)


def test_where_the_api_is_open_nobody_is_asked_and_pages_say_so(
    untouched: ApiUnderTest,
) -> None:
    answer = untouched.client.get("/dashboard")
    assert answer.status_code == 200
    assert "<strong>Open</strong>" in answer.text


def test_without_a_token_the_page_asks_for_one(locked: ApiUnderTest) -> None:
    answer = locked.client.get("/dashboard/orders?status=held")
    assert (answer.status_code, answer.mimetype) == (401, "text/html")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert 'name="token" type="password"' in answer.text
    assert 'name="next" value="/dashboard/orders?status=held"' in answer.text


def test_a_token_is_kept_in_a_cookie_that_only_the_dashboard_gets(closed: ApiUnderTest) -> None:
    answer = sign_in(closed, f" {closed.token('operate')} ", "/dashboard/orders?status=held")
    assert (answer.status_code, answer.location) == (303, "/dashboard/orders?status=held")
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "Path=/dashboard", "SameSite=Strict"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    page = closed.client.get("/dashboard")
    assert page.status_code == 200
    assert "<span>test</span>" in page.text
    assert closed.client.get("/v1/api/stock").status_code == 401


def test_the_api_takes_no_cookie(closed: ApiUnderTest) -> None:
    closed.client.set_cookie(COOKIE, closed.token("operate"), path="/")
    assert closed.client.get("/v1/api/stock").status_code == 401
    assert closed.client.get("/dashboard").status_code == 200


def test_under_https_the_cookie_is_sent_by_nothing_else(locked: ApiUnderTest) -> None:
    answer = locked.client.post(
        "/dashboard/login",
        data={"token": locked.token("operate")},
        headers=OWN,
        base_url="https://shop.example",
    )
    assert "Secure" in answer.headers["Set-Cookie"].split("; ")


@pytest.mark.parametrize("token", ["nonsense", "a b", "x;y", "oat_", "\u2603"])
def test_what_is_no_token_is_refused(locked: ApiUnderTest, token: str) -> None:
    answer = sign_in(locked, token, "/dashboard/orders")
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert 'value="/dashboard/orders"' in answer.text
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("token", ["", "a" * 4001])
def test_a_token_that_fits_into_no_cookie_is_refused(locked: ApiUnderTest, token: str) -> None:
    assert sign_in(locked, token).status_code == 422


def test_a_token_that_may_not_operate_is_refused(closed: ApiUnderTest) -> None:
    token = closed.token("orders:write", "stock:read", "vendor:acme")
    answer = sign_in(closed, token)
    assert (answer.status_code, answer.mimetype) == (403, "text/html")
    assert "needs the scope operate" in answer.text
    assert "Set-Cookie" not in answer.headers
    closed.client.set_cookie(COOKIE, token, path="/dashboard")
    assert closed.client.get("/dashboard").status_code == 403


def test_signing_in_leads_nowhere_else(closed: ApiUnderTest) -> None:
    token = closed.token("operate")
    elsewhere = ("https://evil.example/", "//evil.example", "/v1/api/swagger", "/dashboardx")
    for address in (*elsewhere, "/dashboard/\\x", "/dashboard/\n"):
        assert sign_in(closed, token, address).location == "/dashboard", address


def test_the_address_may_end_with_a_slash(untouched: ApiUnderTest) -> None:
    assert untouched.client.get("/dashboard/").location == "http://localhost/dashboard"


def test_signing_out_forgets_the_token(closed: ApiUnderTest) -> None:
    sign_in(closed, closed.token("operate"))
    answer = closed.client.post("/dashboard/logout", headers=OWN)
    assert (answer.status_code, answer.location) == (303, "/dashboard/login")
    assert closed.client.get("/dashboard").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost"}, 422),
        ({"Sec-Fetch-Site": "same-origin"}, 422),
    ],
)
@pytest.mark.parametrize("path", ["/vendors/acme/disable", "/logout", "/login"])
def test_a_form_of_another_site_is_refused(
    untouched: ApiUnderTest, headers: dict[str, str], status: int, path: str
) -> None:
    answer = untouched.client.post(f"/dashboard{path}", headers=headers)
    if path == "/vendors/acme/disable" or status == 403:
        assert answer.status_code == status
    else:
        assert answer.status_code in (303, 422)
    assert untouched.get("/vendor/acme").get_json()["enabled"]


def test_whoever_does_something_is_recorded(closed: ApiUnderTest) -> None:
    sign_in(closed, closed.token("operate"))
    act(closed.client, "/dashboard/vendors/acme/disable")
    [entry] = closed.shop.storage.audit_trail.page(0, 10).items
    assert (entry.operation, entry.target, entry.status) == ("disable_vendor", "acme", 303)
    assert entry.actor.startswith("token:")
