"""The status page in a real browser, served by a real server over HTTPS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import (
    DESKTOP,
    FAKE_DEVICES,
    PHONE,
    SCREENSHOTS,
    WAIT_MS,
    Launch,
    Visit,
    visiting,
)
from tests.browser.page_audits import CONTRASTS
from tests.integration.conftest import ServerProcess, ready_server

pytestmark = pytest.mark.browser

REFRESH_MS = 5000
"""How often the page asks again."""
MINIMUM_CONTRAST = 4.5
MINIMUM_TARGET_PX = 44


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ready_server(tmp_path_factory.mktemp("server")) as running:
        yield running


Visiting = Callable[..., AbstractContextManager[Visit]]


@pytest.fixture
def visit(launch: Launch, server: ServerProcess) -> Visiting:
    return partial(visiting, launch(FAKE_DEVICES), f"{server.http}/status.html")


def expect_state(page: Page, text: str) -> None:
    expect(page.locator("#state")).to_have_text(text, timeout=WAIT_MS)


def facts(page: Page) -> dict[str, str]:
    names = page.locator("dl dt").all_inner_texts()
    return dict(zip(names, page.locator("dl dd").all_inner_texts(), strict=True))


def test_the_page_says_what_runs_and_that_it_is_ready(
    visit: Visiting, server: ServerProcess
) -> None:
    model = server.get("/v1/models").json()["data"][0]
    with visit() as seen:
        page = seen.page
        assert page.title() == "Omnicall"
        expect(page.get_by_role("heading", level=1, name="Omnicall")).to_be_visible()
        expect_state(page, "Ready for calls.")
        expect(page.locator("#facts")).to_be_visible(timeout=WAIT_MS)
        shown = facts(page)
        assert shown["Checkpoint"] == model["id"]
        assert shown["Runs on"] == "cpu, float32"
        assert shown["Parameters"] == f"{model['parameters']:,}"
        assert shown["Open calls"].startswith("0 of ")
        assert model["trained"] is True
        expect(page.locator("#untrained")).to_be_hidden()
        expect(page.locator("#address")).to_have_text(server.realtime)
        expect(page.locator("#command")).to_contain_text(server.realtime)


def test_an_untrained_checkpoint_is_called_untrained(visit: Visiting) -> None:
    def untrained(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        body["data"][0]["trained"] = False
        route.fulfill(response=response, json=body)

    with visit(lambda page: page.route("**/v1/models", untrained)) as seen:
        expect(seen.page.locator("#untrained")).to_be_visible(timeout=WAIT_MS)
        expect(seen.page.locator("#untrained")).to_contain_text("its weights are random")


def test_a_server_that_is_not_ready_says_why(visit: Visiting) -> None:
    body = {"ready": False, "reason": "starting", "sessions_open": 0, "sessions_limit": 4}
    # The status is left out: the browser itself writes a 503 to the console.
    with visit(lambda page: page.route("**/ready", lambda route: route.fulfill(json=body))) as seen:
        expect_state(seen.page, "Not ready: starting")


def test_a_server_that_is_gone_is_noticed_and_one_that_is_back_too(visit: Visiting) -> None:
    with visit(lambda page: page.clock.install()) as seen:
        page = seen.page
        expect_state(page, "Ready for calls.")
        page.route("**/ready", lambda route: route.abort())
        page.clock.run_for(REFRESH_MS)
        expect_state(page, "The server does not answer.")
        page.unroute("**/ready")
        page.clock.run_for(REFRESH_MS)
        expect_state(page, "Ready for calls.")
        assert seen.complaints, "the reason is on the console"
        seen.complaints.clear()


def test_both_languages_are_complete_and_the_choice_is_kept(visit: Visiting) -> None:
    with visit() as seen:
        page = seen.page
        expect_state(page, "Ready for calls.")
        english = page.locator("[data-text]").all_text_contents()
        page.get_by_role("button", name="中文").click()
        expect_state(page, "可以通话。")
        assert page.locator("html").get_attribute("lang") == "zh-CN"
        chinese = page.locator("[data-text]").all_text_contents()
        for before, after in zip(english, chinese, strict=True):
            assert after.strip() and after != before
        page.reload()
        expect_state(page, "可以通话。")
        pressed = page.locator("button[aria-pressed=true]")
        expect(pressed).to_have_text("中文")
        page.get_by_role("button", name="English").click()
        expect_state(page, "Ready for calls.")
        assert page.locator("html").get_attribute("lang") == "en"
        assert page.locator("[data-text]").all_text_contents() == english


def test_a_chinese_browser_is_greeted_in_chinese(visit: Visiting) -> None:
    with visit(locale="zh-CN") as seen:
        expect_state(seen.page, "可以通话。")
        assert "模型" in facts(seen.page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "360px"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_fits_and_can_be_read(
    visit: Visiting, language: str, size: str, scheme: str
) -> None:
    viewport = DESKTOP if size == "desktop" else PHONE
    locale = "en-US" if language == "en" else "zh-CN"
    with visit(viewport=viewport, color_scheme=scheme, locale=locale) as seen:
        page = seen.page
        expect(page.locator("#facts")).to_be_visible(timeout=WAIT_MS)
        # The notice is rare; it must be readable too.
        page.evaluate("() => { document.getElementById('untrained').hidden = false; }")
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"status-page-{size}-{scheme}-{language}.png"
        page.screenshot(path=path, full_page=True)
        width = page.evaluate("() => document.documentElement.scrollWidth")
        assert width <= viewport["width"], "it scrolls sideways"
        paper = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") is (scheme == "light")
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 20
        for text, contrast in contrasts:
            assert contrast >= MINIMUM_CONTRAST, f"{text!r}: {contrast:.1f}"


def test_the_page_can_be_used_without_seeing_it_or_a_mouse(visit: Visiting) -> None:
    with visit(viewport=PHONE) as seen:
        page = seen.page
        expect_state(page, "Ready for calls.")
        assert page.locator("html").get_attribute("lang") == "en"
        for landmark in ("banner", "main", "navigation"):
            expect(page.get_by_role(landmark)).to_have_count(1)  # type: ignore[arg-type]
        for section in ("State", "Place a call", "For developers"):
            expect(page.get_by_role("region", name=section)).to_have_count(1)
        expect(page.get_by_role("status")).to_have_text("Ready for calls.")
        levels = page.locator("h1, h2, h3, h4").evaluate_all("all => all.map(h => h.tagName)")
        assert levels == ["H1", "H2", "H2", "H2"]
        for button in page.get_by_role("button").all():
            box = button.bounding_box()
            assert box is not None and min(box["width"], box["height"]) >= MINIMUM_TARGET_PX
        reached = []
        for _ in range(5):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("() => document.activeElement.textContent.trim()"))
            outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid", "focus is visible"
        links = ["Call from this browser", "The HTTP interface (OpenAPI)", "Metrics"]
        assert reached == ["English", "中文", *links]


@pytest.mark.parametrize("name", ["The HTTP interface (OpenAPI)", "Metrics"])
def test_links_lead_somewhere(visit: Visiting, server: ServerProcess, name: str) -> None:
    with visit() as seen:
        address = seen.page.get_by_role("link", name=name).get_attribute("href")
        assert server.get(f"/{address}").status_code == 200
