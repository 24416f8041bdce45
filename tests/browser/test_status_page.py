"""The status page in a real browser, served by a real server over HTTPS."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect, sync_playwright

from tests.integration.conftest import ServerProcess, ready_server

pytestmark = pytest.mark.browser

SCREENSHOTS = Path(__file__).parents[2] / "test-output"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
WAIT_MS = 15_000
REFRESH_MS = 5000
"""How often the page asks again."""
MINIMUM_CONTRAST = 4.5
MINIMUM_TARGET_PX = 44

CSP_LISTENER = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`);
});
"""
CONTRASTS = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const isSeeThrough = (colour) => colour === "transparent" || /, 0\\)$/.test(colour);
  const behind = (node) => {
    let at = node;
    while (at !== null && isSeeThrough(getComputedStyle(at).backgroundColor)) {
      at = at.parentElement;
    }
    return at === null ? "white" : getComputedStyle(at).backgroundColor;
  };
  const texts = [...document.body.querySelectorAll("*")].filter(
    (node) =>
      node.checkVisibility() &&
      [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()),
  );
  return texts.map((node) => {
    const shades = [getComputedStyle(node).color, behind(node)].map(luminance);
    const [dark, light] = shades.sort((a, b) => a - b);
    return [node.textContent.trim().slice(0, 40), (light + 0.05) / (dark + 0.05)];
  });
}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ready_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium on this machine: make browser installs one")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=FLAGS)
        try:
            yield launched
        finally:
            launched.close()


@dataclass
class Visit:
    """One visit of the page, and what the browser complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings on the console, uncaught exceptions, failed requests."""

    def violations(self) -> list[str]:
        """What the content security policy kept from happening."""
        found: list[str] = self.page.evaluate("() => window.violations")
        return found


Visiting = Callable[..., AbstractContextManager[Visit]]


@pytest.fixture
def visit(browser: Browser, server: ServerProcess) -> Visiting:
    """Open the page in a fresh profile; leaving the block closes it and checks for complaints."""

    @contextmanager
    def opened(
        prepare: Callable[[Page], object] = lambda _: None, **context: Any
    ) -> Iterator[Visit]:
        context = {"viewport": DESKTOP, "locale": "en-US", "color_scheme": "light"} | context
        with browser.new_context(ignore_https_errors=True, **context) as profile:
            profile.add_init_script(CSP_LISTENER)
            page = profile.new_page()
            visit = Visit(page)

            def on_console(message: ConsoleMessage) -> None:
                if message.type in ("error", "warning"):
                    visit.complaints.append(message.text)

            page.on("console", on_console)
            page.on("pageerror", lambda error: visit.complaints.append(str(error)))
            page.on("requestfailed", lambda request: visit.complaints.append(request.url))
            prepare(page)
            page.goto(server.http)
            yield visit
            assert visit.complaints == []
            assert visit.violations() == []

    return opened


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
        for _ in range(4):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("() => document.activeElement.textContent.trim()"))
            outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid", "focus is visible"
        assert reached == ["English", "中文", "The HTTP interface (OpenAPI)", "Metrics"]


@pytest.mark.parametrize("name", ["The HTTP interface (OpenAPI)", "Metrics"])
def test_links_lead_somewhere(visit: Visiting, server: ServerProcess, name: str) -> None:
    with visit() as seen:
        address = seen.page.get_by_role("link", name=name).get_attribute("href")
        assert server.get(f"/{address}").status_code == 200
