"""A real Chromium with fake devices, and pages in it that must have no complaint."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, sync_playwright

from tests.browser.page_server import spoken
from tests.fakes.scripted_replies import SPEECH_HZ

SCREENSHOTS = Path(__file__).parents[2] / "test-output"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
    "--use-fake-ui-for-media-stream",
    "--auto-select-desktop-capture-source=Entire screen",
)
FAKE_DEVICES = "--use-fake-device-for-media-stream"
NO_CAMERA = "--use-fake-device-for-media-stream=device-count=0"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
WAIT_MS = 45_000
ABORTED = "net::ERR_ABORTED"
"""The page was left while it asked something."""

CSP_LISTENER = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`);
});
"""


@dataclass
class Visit:
    """One visit of a page, and what the browser complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings on the console, uncaught exceptions, failed requests."""

    def violations(self) -> list[str]:
        """What the content security policy kept from happening."""
        found: list[str] = self.page.evaluate("() => window.violations")
        return found


Launch = Callable[..., Browser]


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """The driver; one for each module, as its loop must not meet those of other tests."""
    if not any(map(shutil.which, BROWSERS)):
        pytest.skip("no Chromium on this machine: make browser installs one")
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def launch(playwright: Playwright) -> Iterator[Launch]:
    """Start a browser with further flags; each set of flags is started once for a module."""
    found = next(filter(None, map(shutil.which, BROWSERS)))
    running: dict[tuple[str, ...], Browser] = {}
    with ExitStack() as stack:

        def started(*flags: str) -> Browser:
            if flags not in running:
                browser = playwright.chromium.launch(executable_path=found, args=[*FLAGS, *flags])
                stack.callback(browser.close)
                running[flags] = browser
            return running[flags]

        yield started


@pytest.fixture(scope="module")
def quiet(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """A browser whose microphone hears nothing."""
    silence = np.zeros(10 * SPEECH_HZ, np.int16)
    return launch(FAKE_DEVICES, _microphone(tmp_path_factory.mktemp("quiet"), silence))


@pytest.fixture(scope="module")
def talking(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """A browser whose microphone hears a person for two seconds out of nine."""
    pauses = np.zeros(3 * SPEECH_HZ, np.int16), np.zeros(4 * SPEECH_HZ, np.int16)
    sound = np.concatenate([pauses[0], spoken(2.0), pauses[1]])
    return launch(FAKE_DEVICES, _microphone(tmp_path_factory.mktemp("talking"), sound))


@pytest.fixture(scope="module")
def beeping(launch: Launch) -> Browser:
    """A browser whose microphone hears a beep every second."""
    return launch(FAKE_DEVICES)


@pytest.fixture(scope="module")
def cameraless(launch: Launch) -> Browser:
    """A browser on a machine without a camera."""
    return launch(NO_CAMERA)


def _microphone(folder: Path, sound: np.ndarray) -> str:
    path = folder / "microphone.wav"
    soundfile.write(path, sound, SPEECH_HZ)
    return f"--use-file-for-fake-audio-capture={path}"


@contextmanager
def visiting(
    browser: Browser,
    address: str,
    prepare: Callable[[Page], object] = lambda _: None,
    *,
    ignore: Callable[[str], bool] = lambda _: False,
    **context: Any,
) -> Iterator[Visit]:
    """Open a page in a fresh profile; leaving the block closes it and checks for complaints.

    Args:
        browser: Where.
        address: Of the page.
        prepare: What is done to the page before it is opened.
        ignore: Complaints that belong to the test.
        context: Options of the profile.
    """
    context = {"viewport": DESKTOP, "locale": "en-US", "color_scheme": "light"} | context
    with browser.new_context(ignore_https_errors=True, **context) as profile:
        profile.add_init_script(CSP_LISTENER)
        page = profile.new_page()
        visit = Visit(page)

        def complain(text: str) -> None:
            if not ignore(text):
                visit.complaints.append(text)

        def on_console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                complain(message.text)

        def on_failed(request: Request) -> None:
            if request.failure != ABORTED:
                complain(f"failed: {request.url}")

        page.on("console", on_console)
        page.on("pageerror", lambda error: complain(str(error)))
        page.on("requestfailed", on_failed)
        prepare(page)
        page.goto(address)
        yield visit
        assert visit.complaints == []
        assert visit.violations() == []


Visiting = Callable[..., AbstractContextManager[Visit]]
