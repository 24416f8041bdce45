"""Calls placed from the page in a real browser, over each transport, to a scripted engine."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from server.engine.client import EngineStatus
from server.gateway.webrtc.peer import Peer, PeerEnd
from server.media.pcm import samples_from_bytes
from server.session.session import Session, SessionSummary
from tests.browser.conftest import WAIT_MS, Visit, visiting
from tests.browser.page_server import PageServer, page_server, speaking, spoken
from tests.browser.sound_recorder import (
    LEAD_SAMPLES,
    QUIET,
    forget_recording,
    heard_speech,
    install_recorder,
    stretch_correlations,
)
from tests.fakes.scripted_replies import SPEECH_HZ

pytestmark = pytest.mark.browser

TRANSPORTS = ("websocket", "webrtc")
SPEECH = spoken(4.0, start_s=0.5)
LONG_SPEECH = np.concatenate([spoken(6.0)] * 3)
ANSWER = "There is a small red house on the hill."
LONG_ANSWER = "This is a long story about a house."
POLL_MS = 100
SETTLE_MS = 1000
HEARD = 500
"""The loudest sample of a second with a beep reaches this."""
MUTED = {"websocket": 0, "webrtc": 50}
"""Of a second of silence it is at most this; a codec need not bring silence back as zeros."""
MAX_HEARINGS = 4
"""A receiver without its share of the processor stretches speech; the best hearing counts."""
SOCKETS = """
window.sockets = [];
const PlainSocket = window.WebSocket;
window.WebSocket = class extends PlainSocket {
  constructor(...given) {
    super(...given);
    window.sockets.push(this);
  }
};
"""
"""Remembers every connection, so that a test can cut it."""
SENT = """
window.sent = [];
const plainSend = WebSocket.prototype.send;
WebSocket.prototype.send = function (text) {
  if (!text.includes("_buffer.append")) {
    window.sent.push(text);
  }
  plainSend.call(this, text);
};
"""


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A server whose answers last four seconds."""
    folder = tmp_path_factory.mktemp("server")
    with page_server(folder, [speaking(ANSWER, SPEECH)], webrtc={"include_loopback": True}) as s:
        yield s


@pytest.fixture(scope="module")
def story_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A server whose answers last eighteen seconds."""
    folder = tmp_path_factory.mktemp("server")
    replies = [speaking(LONG_ANSWER, LONG_SPEECH, every_s=0.1)]
    with page_server(folder, replies, webrtc={"include_loopback": True}) as s:
        yield s


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> list[Peer]:
    """The server's peer connections; one can be made to seem gone."""
    connected, seen = Peer.connected, []

    async def noticed(peer: Peer) -> bool:
        seen.append(peer)
        return await connected(peer)

    monkeypatch.setattr(Peer, "connected", noticed)
    return seen


def choose(page: Page, **settings: str | bool | int) -> None:
    """Set what the lobby would remember."""
    page.add_init_script(
        f"if (!localStorage.getItem('omnicall.settings')) "
        f"localStorage.setItem('omnicall.settings', {json.dumps(json.dumps(settings))})"
    )


def place_call(page: Page) -> None:
    page.locator("#place").click()
    expect(page.locator("#call")).to_be_visible(timeout=WAIT_MS)
    expect(page.locator("#state")).to_have_text(re.compile("Listening|speaking"), timeout=WAIT_MS)


def say(page: Page, text: str) -> None:
    page.locator("#text").fill(text)
    page.keyboard.press("Enter")


def hang_up(page: Page) -> None:
    page.get_by_role("button", name="Hang up").click()
    expect(page.locator("#end")).to_be_visible(timeout=WAIT_MS)


def wait_for(page: Page, condition: Callable[[], object]) -> None:
    """Poll for what a test sees on the server's side."""
    for _ in range(WAIT_MS // POLL_MS):
        if condition():
            return
        page.wait_for_timeout(POLL_MS)
    raise AssertionError("it did not happen in time")


@contextmanager
def calling(
    browser: Browser, server: PageServer, transport: str, **settings: str | bool | int
) -> Iterator[tuple[Visit, str]]:
    """A call under way, and the id of its session."""

    def prepare(page: Page) -> None:
        choose(page, transport=transport, **settings)
        install_recorder(page)
        page.add_init_script(SENT)

    before = set(server.sessions())
    with visiting(browser, server.url, prepare) as visit:
        place_call(visit.page)
        (session_id,) = set(server.sessions()) - before
        yield visit, session_id
        if visit.page.locator("#call").is_visible():
            hang_up(visit.page)
        wait_for(visit.page, lambda: session_id not in server.sessions())


def sent_events(page: Page) -> list[dict[str, Any]]:
    """What the page has sent over its WebSocket, but for sound and pictures."""
    return [json.loads(text) for text in page.evaluate("() => window.sent")]


def summary(server: PageServer, session_id: str) -> SessionSummary:
    found: SessionSummary = server.do(session_of(server, session_id).summary)
    return found


def session_of(server: PageServer, session_id: str) -> Session:
    session: Session = server.do(lambda: server.live.app.state.manager.get(session_id))
    return session


def loudness(server: PageServer, session_id: str) -> list[int]:
    """The loudest sample of each second the model was given."""
    units = server.units(session_id)
    return [
        int(np.abs(samples_from_bytes(unit.audio_pcm).astype(np.int32)).max()) for unit in units
    ]


def pictures(server: PageServer, session_id: str) -> list[np.ndarray]:
    """What the model was shown, the units without a picture left out."""
    images = [unit.image for unit in server.units(session_id)]
    return [
        np.frombuffer(image.rgb, np.uint8).reshape(image.height, image.width, 3)
        for image in images
        if image is not None
    ]


def test_a_spoken_question_is_answered_and_captioned(
    talking: Browser, server: PageServer, transport: str
) -> None:
    with calling(talking, server, transport) as (visit, _):
        page = visit.page
        lines = page.locator("#captions li")
        expect(lines.filter(has_text="spoke for").first).to_be_visible(timeout=WAIT_MS)
        expect(lines.filter(has_text=ANSWER).first).to_be_visible(timeout=WAIT_MS)
        expect(page.locator("#state")).to_have_text("Speaking", timeout=WAIT_MS)
        # The shape on the page moves with what is heard.
        level = "() => Number(document.getElementById('orb').dataset.level) > 0.2"
        page.wait_for_function(level, timeout=WAIT_MS)
        page.locator("#quality").click()
        answer_time = page.locator("#figures dd").first
        expect(answer_time).to_have_text(re.compile(r"^\d+ ms$"), timeout=WAIT_MS)
        expect(page.locator("#figures dd").nth(2)).to_have_text(re.compile(r"^\d+ ms$"))


def test_what_is_heard_is_what_the_engine_said(
    quiet: Browser, server: PageServer, transport: str
) -> None:
    with calling(quiet, server, transport) as (visit, _):
        page = visit.page
        for _ in range(MAX_HEARINGS):
            forget_recording(page)
            say(page, "What do you see?")
            expect(page.locator("#state")).to_have_text("Speaking", timeout=WAIT_MS)
            expect(page.locator("#state")).to_have_text("Listening", timeout=WAIT_MS)
            page.wait_for_timeout(SETTLE_MS)
            heard = heard_speech(page)
            alike = stretch_correlations(heard, SPEECH)
            is_exact = greatest_difference(heard) <= 1
            if is_exact or (transport == "webrtc" and min(alike) >= 0.9):
                break
    assert np.mean(alike) >= 0.9
    assert min(alike[0], alike[-1]) >= 0.9, f"something is missing at an end: {alike}"
    assert is_exact or transport == "webrtc", "over a WebSocket, every sample is the engine's"


def greatest_difference(heard: np.ndarray) -> int:
    """Between what was heard and what was said, sample by sample."""
    first = np.flatnonzero(np.abs(SPEECH.astype(int)) > QUIET)[0]
    begun = heard[LEAD_SAMPLES:][: len(SPEECH) - first].astype(int)
    said = SPEECH[first:]
    return int(np.abs(begun - said).max()) if len(begun) == len(said) else len(said)


def test_mute_keeps_the_microphone_from_the_model_and_back(
    beeping: Browser, server: PageServer, transport: str
) -> None:
    with calling(beeping, server, transport, interruption=False) as (visit, session_id):
        page = visit.page
        wait_for(page, lambda: max(loudness(server, session_id), default=0) > HEARD)
        page.get_by_role("button", name="Mute", exact=True).click()
        expect(page.get_by_role("button", name="Unmute")).to_have_attribute("aria-pressed", "true")
        n_before = len(loudness(server, session_id))
        # Silence ends a turn, so that units of silence alone follow.
        wait_for(
            page,
            lambda: (
                (loudness(server, session_id)[n_before + 2 :] or [HEARD])[-1] <= MUTED[transport]
            ),
        )
        page.get_by_role("button", name="Unmute").click()
        wait_for(page, lambda: loudness(server, session_id)[-1] > HEARD)


def test_the_camera_is_seen_until_it_is_off_and_then_the_screen(
    quiet: Browser, server: PageServer, transport: str
) -> None:
    with calling(quiet, server, transport) as (visit, session_id):
        page = visit.page
        wait_for(page, lambda: pictures(server, session_id))
        camera = pictures(server, session_id)[-1]
        assert camera[..., 1].mean() > 60 + camera[..., 0].mean(), "the fake camera is green"
        expect(page.locator("#self")).to_be_visible()
        page.get_by_role("button", name="Turn camera off").click()
        expect(page.locator("#self")).to_be_hidden()
        n_units = len(server.units(session_id))
        wait_for(page, lambda: len(server.units(session_id)) >= n_units + 3)
        assert server.units(session_id)[-1].image is None
        page.get_by_role("button", name="Share screen").click()
        expect(page.locator("#self-label")).to_have_text("Your screen", timeout=WAIT_MS)
        n_pictures = len(pictures(server, session_id))
        wait_for(page, lambda: len(pictures(server, session_id)) > n_pictures)
        page.get_by_role("button", name="Stop sharing").click()
        expect(page.locator("#self")).to_be_hidden()
        page.get_by_role("button", name="Turn camera on").click()
        expect(page.locator("#self-label")).to_have_text("You")
        n_pictures = len(pictures(server, session_id))
        wait_for(page, lambda: len(pictures(server, session_id)) > n_pictures)


def test_a_voice_call_shows_no_picture_and_no_camera_buttons(
    talking: Browser, server: PageServer, transport: str
) -> None:
    with calling(talking, server, transport, mode="voice") as (visit, session_id):
        page = visit.page
        assert session_of(server, session_id).options.mode == "audio"
        expect(page.locator("#captions li.assistant").first).to_be_visible(timeout=WAIT_MS)
        assert server.units(session_id)
        assert pictures(server, session_id) == []
        shown = page.locator("#controls button:visible").evaluate_all(
            "all => all.map(button => button.getAttribute('aria-label'))"
        )
        assert shown == ["Mute", "Start the conversation anew", "Hang up"]


def test_reset_makes_the_model_forget_and_the_call_go_on(
    quiet: Browser, server: PageServer, transport: str
) -> None:
    with calling(quiet, server, transport) as (visit, session_id):
        page = visit.page
        say(page, "Remember the number seven.")
        expect(page.locator("#captions li.assistant")).to_contain_text(ANSWER, timeout=WAIT_MS)
        assert ANSWER in server.do(lambda: server.engine.remembered_text(session_id))
        page.get_by_role("button", name="Start the conversation anew").click()
        note = page.locator("#captions li.note")
        expect(note).to_have_text("The conversation starts anew.", timeout=WAIT_MS)
        wait_for(page, lambda: not server.do(lambda: server.engine.remembered_text(session_id)))
        assert server.sessions() == [session_id]
        say(page, "Are you still there?")
        expect(page.locator("#captions li.assistant")).to_have_count(2, timeout=WAIT_MS)


def test_hanging_up_ends_the_session_lets_the_devices_go_and_shows_what_was_said(
    quiet: Browser, server: PageServer, transport: str
) -> None:
    with calling(quiet, server, transport) as (visit, session_id):
        page = visit.page
        say(page, "What do you see?")
        expect(page.locator("#captions li.assistant")).to_contain_text(ANSWER, timeout=WAIT_MS)
        hang_up(page)
        expect(page.locator("#end-title")).to_be_focused()
        expect(page.locator("#end-transcript li")).to_have_count(2)
        assert page.evaluate("() => document.getElementById('self-video').srcObject") is None
        wait_for(page, lambda: session_id not in server.sessions())
        with page.expect_download() as waiting:
            page.get_by_role("link", name="Download").click()
        text = waiting.value.path().read_text(encoding="utf-8")
        assert "You: What do you see?" in text
        assert f"Model: {ANSWER}" in text
        page.get_by_role("button", name="Call again").click()
        expect(page.locator("#call")).to_be_visible(timeout=WAIT_MS)
        expect(page.locator("#captions li")).to_have_count(0)


def test_a_second_tab_is_a_second_call(quiet: Browser, server: PageServer, transport: str) -> None:
    with calling(quiet, server, transport) as (first, first_id):
        second = first.page.context.new_page()
        second.goto(server.url)
        place_call(second)
        assert len(server.sessions()) == 2
        say(second, "Only here.")
        expect(second.locator("#captions li.assistant")).to_have_count(1, timeout=WAIT_MS)
        expect(first.page.locator("#captions li")).to_have_count(0)
        hang_up(second)
        wait_for(second, lambda: server.sessions() == [first_id])
        second.close()


def test_reloading_the_page_ends_the_call_and_says_so(
    quiet: Browser, server: PageServer, transport: str
) -> None:
    with calling(quiet, server, transport) as (visit, session_id):
        page = visit.page
        page.reload()
        expect(page.locator("#lobby")).to_be_visible()
        expect(page.locator("#notices")).to_contain_text("ended when the page was reloaded")
        wait_for(page, lambda: session_id not in server.sessions())
        place_call(page)
        hang_up(page)


def test_speaking_interrupts_and_the_model_remembers_what_was_heard(
    talking: Browser, story_server: PageServer, transport: str
) -> None:
    with calling(talking, story_server, transport) as (visit, session_id):
        page = visit.page
        # The caller speaks again while the first answer is still being given.
        expect(page.locator("#state")).to_have_text("Speaking", timeout=WAIT_MS)
        interrupted = page.locator("#captions li.assistant.interrupted")
        expect(interrupted.first).to_be_visible(timeout=WAIT_MS)
        expect(interrupted.first).to_contain_text("interrupted")
        sent = [event for event in sent_events(page) if event["type"].endswith("item.truncate")]
        if transport == "websocket":
            assert 0 < sent[0]["audio_end_ms"] < 1000 * len(LONG_SPEECH) / SPEECH_HZ
        wait_for(page, lambda: summary(story_server, session_id).interruptions >= 1)


def test_without_interruption_the_answer_is_heard_to_its_end(
    talking: Browser, server: PageServer, transport: str
) -> None:
    with calling(talking, server, transport, interruption=False) as (visit, session_id):
        page = visit.page
        expect(page.locator("#state")).to_have_text("Speaking", timeout=WAIT_MS)
        options = session_of(server, session_id).options
        assert options.turn_detection is not None
        assert not options.turn_detection.interrupt_response
        expect(page.locator("#state")).not_to_have_text("Speaking", timeout=WAIT_MS)
        expect(page.locator("#captions li.interrupted")).to_have_count(0)


def test_writing_during_an_answer_stops_it_and_gets_another(
    quiet: Browser, story_server: PageServer, transport: str
) -> None:
    with calling(quiet, story_server, transport) as (visit, _):
        page = visit.page
        say(page, "Tell me a story.")
        expect(page.locator("#state")).to_have_text("Speaking", timeout=WAIT_MS)
        say(page, "Another one.")
        expect(page.locator("#captions li.assistant.interrupted")).to_have_count(1, timeout=WAIT_MS)
        expect(page.locator("#captions li.assistant")).to_have_count(2, timeout=WAIT_MS)
        expect(page.locator("#state")).to_have_text("Speaking", timeout=WAIT_MS)


def test_the_caller_s_choices_reach_the_session(
    quiet: Browser, server: PageServer, transport: str
) -> None:
    wishes = {"instructions": "Be brief.", "hd": True, "patienceMs": 900}
    with calling(quiet, server, transport, **wishes) as (_, session_id):
        options = session_of(server, session_id).options
        assert options.instructions == "Be brief."
        assert options.hd
        assert options.language == "en"
        assert options.turn_detection is not None
        assert options.turn_detection.min_silence_s == pytest.approx(0.9)


def test_a_lost_connection_comes_back(
    quiet: Browser, server: PageServer, transport: str, peers: list[Peer]
) -> None:
    def prepare(page: Page) -> None:
        choose(page, transport=transport)
        page.add_init_script(SOCKETS)

    with visiting(quiet, server.url, prepare) as visit:
        page = visit.page
        place_call(page)
        (session_id,) = server.sessions()
        say(page, "Hello.")
        expect(page.locator("#captions li.assistant")).to_contain_text(ANSWER, timeout=WAIT_MS)
        if transport == "webrtc":
            server.do(lambda: peers[-1].end(PeerEnd.VANISHED))
        else:
            page.evaluate("() => window.sockets.at(-1).close()")
        expect(page.locator("#notices")).to_contain_text("The connection was lost")
        expect(page.locator("#notices")).to_contain_text("The connection is back", timeout=WAIT_MS)
        expect(page.locator("#state")).to_have_text("Listening", timeout=WAIT_MS)
        if transport == "webrtc":
            assert server.sessions() == [session_id], "the model still knows what was said"
            expect(page.locator("#captions li.note")).to_have_count(0)
        else:
            wait_for(page, lambda: session_id not in server.sessions())
            expect(page.locator("#captions li.note")).to_contain_text("does not remember")
        say(page, "Hello again.")
        expect(page.locator("#captions li.assistant")).to_have_count(2, timeout=WAIT_MS)
        hang_up(page)
        wait_for(page, lambda: server.sessions() == [])


def test_a_call_whose_model_dies_waits_for_it_and_goes_on(
    quiet: Browser, server: PageServer, transport: str
) -> None:
    def refused(text: str) -> bool:
        return "failed" in text.lower() or "503" in text or "WebSocket" in text

    def prepare(page: Page) -> None:
        choose(page, transport=transport)

    with visiting(quiet, server.url, prepare, ignore=refused) as visit:
        page = visit.page
        place_call(page)
        server.do(server.engine.die)
        expect(page.locator("#notices")).to_contain_text("is being restarted", timeout=WAIT_MS)
        expect(page.locator("#state")).to_contain_text("Reconnecting")
        server.do(lambda: server.engine.set_status(EngineStatus.READY))
        expect(page.locator("#notices")).to_contain_text("The model is back", timeout=WAIT_MS)
        expect(page.locator("#state")).to_have_text("Listening")
        say(page, "Hello again.")
        expect(page.locator("#captions li.assistant")).to_contain_text(ANSWER, timeout=WAIT_MS)
        hang_up(page)


def test_a_server_without_webrtc_is_called_over_a_websocket_and_the_page_says_so(
    quiet: Browser, server: PageServer
) -> None:
    def without_webrtc(route: Route) -> None:
        route.fulfill(status=404, json={"error": {"code": "not_found", "message": "no"}})

    def prepare(page: Page) -> None:
        page.route("**/v1/realtime/calls", without_webrtc)

    with visiting(quiet, server.url, prepare, ignore=lambda text: "404" in text) as visit:
        page = visit.page
        place_call(page)
        expect(page.locator("#notices")).to_contain_text("WebRTC does not work here")
        say(page, "Hello.")
        expect(page.locator("#captions li.assistant")).to_contain_text(ANSWER, timeout=WAIT_MS)
        hang_up(page)
