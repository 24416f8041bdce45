"""The lobby: devices, choices, and what it says when something is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import FAKE_DEVICES, WAIT_MS, Launch, visiting
from tests.browser.page_server import PageServer, page_server, speaking, spoken

pytestmark = pytest.mark.browser

REPLIES = [speaking("Hello.", spoken(1.0))]
KEY = "the-key-of-this-server"
DENY = """
navigator.mediaDevices.getUserMedia = async (wish) => {
  if (wish.%s) {
    throw new DOMException("denied", "NotAllowedError");
  }
  return await plainGetUserMedia(wish);
};
"""
SHOWN_TEXTS = """
() => Object.fromEntries(
  [...document.querySelectorAll("[data-text]")].map((node) => [
    node.getAttribute("data-text"), node.textContent.trim(),
  ]))
"""
"""Every text of the page by its key."""
PLAIN = """
const plainGetUserMedia = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.permissions.query = async () => ({ state: "prompt" });
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    with page_server(tmp_path_factory.mktemp("server"), REPLIES) as running:
        yield running


def over_websocket(page: Page, **settings: str) -> None:
    """Not over WebRTC: here it only matters that a call is placed."""
    settings = {"transport": "websocket"} | settings
    page.add_init_script(
        f"if (!localStorage.getItem('omnicall.settings')) "
        f"localStorage.setItem('omnicall.settings', JSON.stringify({settings!r}))"
    )


def expect_notice(page: Page, text: str) -> None:
    expect(page.locator("#notices")).to_contain_text(text, timeout=WAIT_MS)


def place(page: Page) -> None:
    page.locator("#place").click()


def expect_call(page: Page) -> None:
    expect(page.locator("#call")).to_be_visible(timeout=WAIT_MS)


def test_the_caller_sees_herself_and_how_loud_she_is(beeping: Browser, server: PageServer) -> None:
    with visiting(beeping, server.url) as visit:
        page = visit.page
        expect(page.locator("#preview")).to_have_class("preview has-picture", timeout=WAIT_MS)
        page.wait_for_function(
            "() => document.querySelectorAll('#level i.lit').length > 2", timeout=WAIT_MS
        )
        size = page.locator("#preview-video").evaluate("video => video.videoWidth")
        assert size > 0
        for choice in ("#microphone-choice", "#camera-choice"):
            names = page.locator(f"{choice} option").all_inner_texts()
            assert names[0] == "Default"
            assert any("ake" in name for name in names[1:]), "devices are called by their names"
        page.get_by_role("button", name="Turn camera off").click()
        expect(page.locator("#preview-text")).to_have_text("Your camera is off.")
        page.get_by_role("button", name="Mute", exact=True).click()
        page.wait_for_function("() => document.querySelectorAll('#level i.lit').length === 0")


def test_choices_are_kept_for_the_next_visit(quiet: Browser, server: PageServer) -> None:
    with visiting(quiet, server.url) as visit:
        page = visit.page
        page.get_by_text("Voice only").click()
        expect(page.locator("#camera-field")).to_be_hidden()
        page.get_by_text("More settings").click()
        page.get_by_label("Instructions for the model").fill("Be brief.")
        page.get_by_label("Pause that ends your turn").fill("1200")
        expect(page.locator("#patience-value")).to_have_text("1.2 s")
        page.get_by_role("switch", name="Look closely (HD)").check()
        page.get_by_role("switch", name="Speaking interrupts the answer").uncheck()
        page.get_by_label("Connection").select_option("websocket")
        page.reload()
        assert page.get_by_role("radio", name="Voice only").is_checked()
        page.get_by_text("More settings").click()
        expect(page.get_by_label("Instructions for the model")).to_have_value("Be brief.")
        expect(page.locator("#patience-value")).to_have_text("1.2 s")
        assert page.get_by_role("switch", name="Look closely (HD)").is_checked()
        assert not page.get_by_role("switch", name="Speaking interrupts").is_checked()
        expect(page.get_by_label("Connection")).to_have_value("websocket")


def test_both_languages_are_complete_and_the_choice_is_kept(
    quiet: Browser, server: PageServer
) -> None:
    with visiting(quiet, server.url, over_websocket) as visit:
        page = visit.page
        expect(page.locator("#lobby-title")).to_have_text("Start a call")
        english = page.evaluate(SHOWN_TEXTS)
        page.get_by_role("button", name="中文").click()
        expect(page.locator("#lobby-title")).to_have_text("发起通话")
        chinese = page.evaluate(SHOWN_TEXTS)
        # What the camera says of itself may change in between; all else is there before and after.
        shown_twice = english.keys() & chinese.keys()
        assert len(shown_twice) > 30
        for key in shown_twice:
            assert chinese[key] and chinese[key] != english[key], key
        page.reload()
        expect(page.locator("#lobby-title")).to_have_text("发起通话")
        place(page)
        expect_call(page)
        expect(page.locator("#state")).to_have_text("正在听")
        (session_id,) = server.sessions()
        session = server.do(lambda: server.live.app.state.manager.get(session_id))
        assert session.options.language == "zh", "the model is spoken to in it, too"
        page.get_by_role("button", name="挂断").click()
        expect(page.locator("#end-title")).to_have_text("通话已结束")


def test_a_device_that_is_gone_is_told_and_replaced(quiet: Browser, server: PageServer) -> None:
    def prepare(page: Page) -> None:
        over_websocket(page, microphoneId="unplugged", cameraId="sold")

    with visiting(quiet, server.url, prepare) as visit:
        page = visit.page
        expect_notice(page, "The chosen microphone is not there any more")
        expect_notice(page, "The chosen camera is not there any more")
        place(page)
        expect_call(page)
        expect(page.locator("#self")).to_be_visible()


def test_a_denied_microphone_is_told_with_the_remedy(quiet: Browser, server: PageServer) -> None:
    with visiting(quiet, server.url, lambda p: p.add_init_script(PLAIN + DENY % "audio")) as visit:
        page = visit.page
        expect(page.locator("#preview-text")).to_contain_text("needs your microphone")
        page.get_by_role("button", name="Allow access").click()
        expect_notice(page, "The browser may not use your microphone. Allow it")
        page.get_by_role("button", name="中文").click()
        expect_notice(page, "浏览器不能使用麦克风")
        place(page)
        expect_notice(page, "浏览器不能使用麦克风")
        expect(page.locator("#lobby")).to_be_visible()
        assert server.sessions() == []


def test_a_denied_camera_leaves_a_voice_call(quiet: Browser, server: PageServer) -> None:
    def prepare(page: Page) -> None:
        over_websocket(page)
        page.add_init_script(PLAIN + DENY % "video")

    with visiting(quiet, server.url, prepare) as visit:
        place(visit.page)
        expect_notice(visit.page, "The camera was not allowed; this will be a voice call.")
        expect_call(visit.page)
        expect(visit.page.locator("#self")).to_be_hidden()


def test_a_machine_without_microphone_is_told(quiet: Browser, server: PageServer) -> None:
    none = (DENY % "audio").replace("NotAllowedError", "NotFoundError")
    with visiting(quiet, server.url, lambda p: p.add_init_script(PLAIN + none)) as visit:
        place(visit.page)
        expect_notice(visit.page, "No microphone was found.")
        expect(visit.page.locator("#lobby")).to_be_visible()


def test_a_machine_without_camera_gets_a_voice_call(
    cameraless: Browser, server: PageServer
) -> None:
    with visiting(cameraless, server.url, over_websocket) as visit:
        expect_notice(visit.page, "No camera was found; this will be a voice call.")
        place(visit.page)
        expect_call(visit.page)
        expect(visit.page.locator("#self")).to_be_hidden()


def test_an_insecure_address_is_told_before_anything_else(
    launch: Launch, server: PageServer
) -> None:
    browser = launch(FAKE_DEVICES, "--host-resolver-rules=MAP omnicall.test 127.0.0.1")
    address = server.url.replace("127.0.0.1", "omnicall.test")
    # The browser warns of headers that count on secure pages only.
    with visiting(browser, address, ignore=lambda text: "Opener-Policy" in text) as visit:
        expect_notice(visit.page, "Open this page over https:// or on localhost.")


def test_a_full_server_says_so(quiet: Browser, tmp_path: Path) -> None:
    def refused(text: str) -> bool:
        return "WebSocket" in text

    with (
        page_server(tmp_path, REPLIES, session={"max_sessions": 1}) as small,
        visiting(quiet, small.url, over_websocket, ignore=refused) as visit,
    ):
        page = visit.page
        place(page)
        expect_call(page)
        second = page.context.new_page()
        second.goto(small.url)
        place(second)
        expect_notice(second, "All lines are busy.")
        expect(second.locator("#lobby")).to_be_visible()
        expect(page.locator("#call")).to_be_visible()


def test_a_server_that_is_gone_says_so(quiet: Browser, server: PageServer) -> None:
    def prepare(page: Page) -> None:
        page.route("**/v1/realtime/info", lambda route: route.abort())

    with visiting(quiet, server.url, prepare, ignore=lambda text: "ailed" in text) as visit:
        expect_notice(visit.page, "The server does not answer.")


def test_an_untrained_model_is_called_untrained(quiet: Browser, server: PageServer) -> None:
    def untrained(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, json=response.json() | {"trained": False})

    def prepare(page: Page) -> None:
        page.route("**/v1/realtime/info", untrained)

    with visiting(quiet, server.url, prepare) as visit:
        expect(visit.page.locator("#untrained")).to_be_visible(timeout=WAIT_MS)


def test_the_key_is_exchanged_once_for_a_secret_and_not_kept(
    quiet: Browser, tmp_path: Path
) -> None:
    carried: list[str] = []

    def prepare(page: Page) -> None:
        over_websocket(page)
        page.on("request", lambda request: carried.append(request.headers.get("authorization", "")))

    with (
        page_server(tmp_path, REPLIES, server={"api_key": KEY}) as guarded,
        visiting(quiet, guarded.url, prepare, ignore=lambda text: "401" in text) as visit,
    ):
        page = visit.page
        field = page.get_by_label("Access key of this server")
        expect(field).to_be_visible(timeout=WAIT_MS)
        field.fill("wrong")
        place(page)
        expect_notice(page, "missing, wrong or expired")
        field.fill(KEY)
        place(page)
        expect_call(page)
        assert carried.count(f"Bearer {KEY}") == 1
        stored = page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}])")
        assert KEY not in stored
        page.get_by_role("button", name="Start the conversation anew").click()
        expect(page.locator("#captions li.note")).to_be_visible(timeout=WAIT_MS)
        page.get_by_role("button", name="Hang up").click()
        page.get_by_role("button", name="Good").click()
        expect(page.locator("#feedback-state")).to_have_text("Thank you.", timeout=WAIT_MS)
        page.get_by_role("button", name="Call again").click()
        expect_call(page)
        assert carried.count(f"Bearer {KEY}") == 1
        page.reload()
        place(page)
        expect_call(page)
        assert carried.count(f"Bearer {KEY}") == 1, "the secret outlives a reload of this tab"
