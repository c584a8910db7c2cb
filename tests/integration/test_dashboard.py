"""The dashboard in a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from dashboard_shop import WEBHOOK, DashboardShop, buy, park, serving
from order_aggregator.domain.order import OrderStatus

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
# Set to anything, they are drawn anew.
DRAW = "DRAW_PICTURES"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATHS = (
    "",
    "/orders",
    "/orders?page=0",
    "/products",
    "/products/sku-beans",
    "/vendors",
    "/vendors/west",
    "/vendors/west/approve",
    "/messages",
    "/webhooks",
    f"/webhooks/{WEBHOOK}",
    "/login",
)


@pytest.fixture(scope="module")
def shop() -> Iterator[DashboardShop]:
    with serving() as served:
        yield served


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


class Watched:
    """What a browser has asked for, and complained of."""

    def __init__(self, context: BrowserContext, shop: DashboardShop) -> None:
        self._shop = shop
        self._asked: list[str] = []
        self._complaints: list[str] = []
        context.on("request", lambda request: self._asked.append(request.url))
        context.on("console", lambda message: self._complaints.append(message.text))
        context.on("weberror", lambda error: self._complaints.append(str(error.error)))

    def assert_quiet(self) -> None:
        """Nothing went elsewhere, and nobody complained but of answers that were expected."""
        expected = "the server responded with a status of 4"
        assert [each for each in self._complaints if expected not in each] == []
        assert [url for url in self._asked if not url.startswith(self._shop.home)] == []


@pytest.fixture
def page(browser: Browser, shop: DashboardShop) -> Iterator[Page]:
    """A page of somebody who is signed in."""
    context = browser.new_context(viewport={"width": 1100, "height": 850}, reduced_motion="reduce")
    context.set_default_timeout(10_000)
    watched = Watched(context, shop)
    opened = context.new_page()
    sign_in(opened, shop)
    yield opened
    context.close()
    watched.assert_quiet()


def sign_in(page: Page, shop: DashboardShop) -> None:
    page.goto(shop.home)
    page.get_by_label("API token").fill(shop.token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(shop.home)


def said(page: Page) -> str:
    return page.locator(".said").inner_text()


def test_what_is_wrong_leads_to_where_it_is_mended(page: Page, shop: DashboardShop) -> None:
    expect(page.locator(".findings li")).to_have_count(3)
    page.get_by_role("link", name="See the vendor").click()
    page.get_by_role("link", name="Approve", exact=True).click()
    page.get_by_role("button", name="Approve and sync").click()
    assert said(page) == "The vendor was synced: 1 products, 1 of them changed."
    assert page.url == f"{shop.home}/vendors/west"
    page.goto(shop.home)
    page.get_by_role("link", name="See the messages").click()
    page.get_by_role("link", name="Replay").first.click()
    page.get_by_role("button", name="Replay it").click()
    assert said(page) == "The message is in the queue again."
    page.goto(f"{shop.home}/webhooks/{WEBHOOK}")
    page.get_by_role("link", name="Send dead deliveries again").click()
    page.get_by_role("button", name="Send them again").click()
    assert said(page) == "1 deliveries are tried anew."
    page.reload()
    expect(page.locator(".said")).to_have_count(0)


def test_an_order_is_cancelled_once_though_its_form_is_sent_twice(
    page: Page, shop: DashboardShop
) -> None:
    order = buy(shop.api, "sku-001", 2)
    page.goto(f"{shop.home}/orders?q={order.id}")
    page.get_by_role("link", name="Cancel").click()
    page.evaluate("for (const _ of [1, 2]) document.querySelector('main form').requestSubmit()")
    page.wait_for_url(f"{shop.home}/orders/{order.id}")
    assert said(page).startswith("The order is cancelled.")
    expect(page.locator("#order .badge")).to_have_text("cancelled")
    steps = [event.type for event in shop.api.shop.events() if event.subject == str(order.id)]
    assert steps == ["order.reserved", "order.cancelled"]
    audit = shop.api.shop.storage.audit_trail.page(0, 100).items
    assert {x.status for x in audit if x.target == str(order.id)} == {303}


def test_a_page_shows_what_happens(page: Page, shop: DashboardShop) -> None:
    page.goto(f"{shop.home}/orders")
    expect(page.locator("#orders")).to_be_visible()
    order = buy(shop.api, "sku-002", 1)
    expect(page.get_by_role("link", name=str(order.id))).to_be_visible()
    page.goto(f"{shop.home}/orders/{order.id}")
    expect(page.locator("#order .badge")).to_have_text("reserved")
    shop.api.shop.fulfil(order)
    expect(page.locator("#order .badge")).to_have_text("fulfilled")


def test_messages_that_are_given_up_appear(page: Page, shop: DashboardShop) -> None:
    page.goto(f"{shop.home}/messages")
    rows = page.locator("#messages tbody tr")
    before = rows.count()
    park(shop.api)
    there = len(shop.api.shop.bus.dead_letters(100))
    assert there > before
    page.reload()
    expect(rows).to_have_count(there)


def test_the_backlog_is_drawn_as_it_was(page: Page) -> None:
    page.goto(page.url)
    for title in ("Orders that wait to be fulfilled", "Seconds that they wait for a worker"):
        plot = page.get_by_role("img", name=title)
        # The rise in the middle of the hour is drawn, and ends.
        points = plot.locator("polyline").first.get_attribute("points") or ""
        heights = [float(point.split(",")[1]) for point in points.split()]
        assert min(heights) == 0.0 < heights[-1], title


def test_the_keyboard_is_enough(page: Page, shop: DashboardShop) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    for name in ("Vendors", "Vendor south", "Disable", "Disable it"):
        press_on(page, name)
    assert said(page) == "The vendor is synced no longer."
    assert page.url == f"{shop.home}/vendors/south"


def press_on(page: Page, name: str) -> None:
    """Go to what is called so, with the keyboard, and press it."""
    at = page.url
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == name:
            page.keyboard.press("Enter")
            page.wait_for_url(lambda url: url != at)
            return
    pytest.fail(f"the keyboard does not come to {name}")


def test_it_works_without_script(browser: Browser, shop: DashboardShop) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, shop)
    order = buy(shop.api, "sku-003", 1)
    page.goto(f"{shop.home}/orders/{order.id}")
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("button", name="Cancel the order").click()
    assert said(page) == "The order is cancelled."
    assert shop.api.shop.order(order.id).status is OrderStatus.CANCELLED
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{shop.home}/orders")
    expect(page.get_by_label("API token")).to_be_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(page: Page, shop: DashboardShop, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    axe = Axe()
    for path in PATHS:
        page.goto(shop.home + path)
        found = axe.run(page)
        assert found.violations_count == 0, f"{path}\n{found.generate_report()}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_drawn(browser: Browser, scheme: str) -> None:
    with serving() as shop:
        context = browser.new_context(
            viewport={"width": 1000, "height": 820},
            color_scheme=scheme,  # type: ignore[arg-type]
        )
        page = context.new_page()
        sign_in(page, shop)
        expect(page.locator("polyline").first).to_be_visible()
        page.set_viewport_size({"width": 1000, "height": 985})
        draw(page, f"dashboard-{scheme}.png")
        page.set_viewport_size({"width": 1000, "height": 820})
        page.get_by_role("link", name="Orders", exact=True).click()
        page.locator("#orders a").nth(4).click()
        expect(page.locator(".timeline li").first).to_be_visible()
        if scheme == "light":
            draw(page, "dashboard-order.png")
        context.close()


def draw(page: Page, name: str) -> None:
    picture = page.screenshot(animations="disabled")
    if DRAW in os.environ:
        PICTURES.mkdir(exist_ok=True)
        (PICTURES / name).write_bytes(picture)
