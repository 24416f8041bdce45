"""How the pages look and can be used: every view, both sizes, light and dark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import DESKTOP, PHONE, SCREENSHOTS, WAIT_MS, visiting
from tests.browser.page_audits import faint_texts, serious_violations
from tests.browser.page_server import PageServer, page_server, speaking, spoken

pytestmark = pytest.mark.browser

MINIMUM_TARGET_PX = 44
ANSWER = "I see a green picture with a circle that is slowly filled, like the hand of a clock."
SETTINGS = '{"transport": "websocket", "interruption": false}'
OUTLINE = "() => getComputedStyle(document.activeElement).outlineStyle"
FOCUSED = "() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.id"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    replies = [speaking(ANSWER, spoken(6.0))]
    feedback = {"store_content": True}
    folder = tmp_path_factory.mktemp("server")
    with page_server(folder, replies, feedback=feedback) as running:
        yield running


def over_websocket(page: Page) -> None:
    page.add_init_script(f"localStorage.setItem('omnicall.settings', '{SETTINGS}')")


def examine(page: Page, name: str) -> None:
    """Keep a picture, and see that everything fits, can be read and can be touched."""
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
    width = page.evaluate("() => document.documentElement.scrollWidth")
    viewport = page.viewport_size
    assert viewport is not None and width <= viewport["width"], "it scrolls sideways"
    assert faint_texts(page) == []
    for button in page.locator("button:visible, a.quiet-button:visible").all():
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= MINIMUM_TARGET_PX, button.inner_text()
    assert serious_violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "360px"])
def test_every_view_fits_can_be_read_and_has_no_serious_violation(
    quiet: Browser, server: PageServer, size: str, scheme: str
) -> None:
    viewport = DESKTOP if size == "desktop" else PHONE
    locale = "en-US" if scheme == "light" else "zh-CN"
    options = {"viewport": viewport, "color_scheme": scheme, "locale": locale}
    with visiting(quiet, server.url, over_websocket, **options) as visit:
        page = visit.page
        expect(page.locator("#preview")).to_have_class("preview has-picture", timeout=WAIT_MS)
        examine(page, f"lobby-{size}-{scheme}")
        page.locator("#more summary").click()
        examine(page, f"lobby-more-{size}-{scheme}")
        page.locator("#place").click()
        expect(page.locator("#call")).to_be_visible(timeout=WAIT_MS)
        page.locator("#text").fill("What do you see?")
        page.keyboard.press("Enter")
        expect(page.locator("#call")).to_have_attribute("data-state", "speaking", timeout=WAIT_MS)
        examine(page, f"call-{size}-{scheme}")
        page.locator("#quality").click()
        examine(page, f"call-latency-{size}-{scheme}")
        page.locator("#latency-close").click()
        page.locator("#hang-up").click()
        page.locator("#like").click()
        expect(page.locator("#feedback-state")).not_to_be_empty(timeout=WAIT_MS)
        examine(page, f"end-{size}-{scheme}")


def test_a_call_can_be_placed_and_led_by_keyboard_alone(quiet: Browser, server: PageServer) -> None:
    with visiting(quiet, server.url, over_websocket) as visit:
        page = visit.page
        expect(page.locator("#preview")).to_have_class("preview has-picture", timeout=WAIT_MS)
        page.locator("#place").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#call")).to_be_visible(timeout=WAIT_MS)
        expect(page.locator("#mute")).to_be_focused()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Shift+Tab")
        page.keyboard.type("Hello")
        page.keyboard.press("Enter")
        expect(page.locator("#captions li.assistant")).to_be_visible(timeout=WAIT_MS)
        # A screen reader hears whole lines, once.
        expect(page.locator("#caption-announcer")).to_contain_text(ANSWER, timeout=WAIT_MS)
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUSED) == "Mute"
        assert page.evaluate(OUTLINE) == "solid", "focus is visible"
        page.keyboard.press("Enter")
        expect(page.locator("#mute")).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("ArrowLeft")
        assert page.evaluate(FOCUSED) == "Hang up"
        page.keyboard.press("Enter")
        expect(page.locator("#end-title")).to_be_focused()


def test_the_latency_panel_is_opened_and_closed_by_keyboard(
    quiet: Browser, server: PageServer
) -> None:
    with visiting(quiet, server.url, over_websocket) as visit:
        page = visit.page
        page.locator("#place").click()
        expect(page.locator("#call")).to_be_visible(timeout=WAIT_MS)
        page.locator("#quality").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("complementary", name="How fast")).to_be_visible()
        expect(page.locator("#latency-close")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("#latency")).to_be_hidden()
        expect(page.locator("#quality")).to_be_focused()


def test_a_comment_and_the_transcript_are_sent_when_the_caller_wants_it(
    quiet: Browser, server: PageServer
) -> None:
    sent: list[object] = []
    with visiting(quiet, server.url, over_websocket) as visit:
        page = visit.page
        page.on(
            "request",
            lambda request: (
                sent.append(request.post_data_json) if "feedback" in request.url else None
            ),
        )
        page.locator("#place").click()
        page.locator("#text").fill("Hello")
        page.keyboard.press("Enter")
        expect(page.locator("#captions li.assistant")).to_be_visible(timeout=WAIT_MS)
        page.locator("#hang-up").click()
        page.get_by_role("button", name="Bad").click()
        expect(page.locator("#feedback-state")).to_have_text("Thank you.", timeout=WAIT_MS)
        page.get_by_label("What should be better").fill("Speak more slowly.")
        page.get_by_role("switch", name="Send the transcript along").check()
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.locator("#feedback-state")).to_have_text("Thank you.", timeout=WAIT_MS)
        page.wait_for_function("() => true")
    first, second = sent
    assert isinstance(first, dict) and isinstance(second, dict)
    assert first["rating"] == "dislike" and "comment" not in first and "transcript" not in first
    assert second["comment"] == "Speak more slowly."
    assert "You: Hello" in second["transcript"]
