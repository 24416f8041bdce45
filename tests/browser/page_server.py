"""The page with a scripted engine behind it, on a loop and thread of its own."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from server.engine.interface import InputUnit
from server.gateway.static import WEB_CLIENT
from server.media.pcm import bytes_from_samples
from tests.browser.sound_recorder import RECORDER, RECORDER_FILE
from tests.fakes.fake_engine import FakeEngine
from tests.fakes.media_files import QUESTION
from tests.fakes.scripted_replies import SPEECH_HZ, Piece, Reply
from tests.server.gateway.live_server import LiveServer, live_server, local_config

START_TIMEOUT_S = 20
ANSWER_TIMEOUT_S = 20
PIECE_SAMPLES = SPEECH_HZ // 4


def spoken(seconds: float, start_s: float = 0.0) -> np.ndarray:
    """Int16 speech of a person ``[n]`` at 24 kHz."""
    samples, rate_hz = soundfile.read(QUESTION, dtype="float32")
    speech = soxr.resample(samples, rate_hz, SPEECH_HZ)
    start = round(start_s * SPEECH_HZ)
    chosen: np.ndarray = speech[start : start + round(seconds * SPEECH_HZ)]
    return (chosen * 32767).clip(-32768, 32767).astype(np.int16)


def speaking(text: str, speech: np.ndarray, every_s: float = 0.02) -> Reply:
    """A reply that says ``text`` with the sound of ``speech``, in quarters of a second."""
    pieces = [Piece(text=text)]
    for start in range(0, len(speech), PIECE_SAMPLES):
        pcm = bytes_from_samples(speech[start : start + PIECE_SAMPLES])
        pieces.append(Piece(pcm=pcm, after_s=every_s))
    return Reply(tuple(pieces))


@dataclass
class PageServer:
    """A running server, for a test on another thread."""

    live: LiveServer
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        """Address of the page; the browser takes it for secure."""
        return self.live.http_url

    @property
    def engine(self) -> FakeEngine:
        """Behind the server."""
        return self.live.engine

    def do(self, action: Callable[[], Any]) -> Any:
        """The result of a call on the server's loop."""

        async def act() -> Any:
            return action()

        result = asyncio.run_coroutine_threadsafe(act(), self.loop)
        return result.result(ANSWER_TIMEOUT_S)

    def sessions(self) -> list[str]:
        """Ids of the open sessions, oldest first."""
        manager = self.live.app.state.manager
        ids: list[str] = self.do(lambda: [session.id for session in manager.list()])
        return ids

    def units(self, session_id: str) -> list[InputUnit]:
        """What the model was shown and played in one session, as far as it remembers."""
        past = self.do(
            lambda: self.engine.remembered(session_id) if self.engine.holds(session_id) else []
        )
        return [content for content in past if isinstance(content, InputUnit)]


@contextmanager
def page_server(
    folder: Path, replies: Sequence[Reply], **sections: dict[str, Any]
) -> Iterator[PageServer]:
    """Serve until the block ends.

    Args:
        folder: Where the server keeps what it writes.
        replies: What every caller is answered.
        sections: Settings.
    """
    feedback = {"database": folder / "feedback.sqlite3"} | sections.pop("feedback", {})
    config = local_config(feedback=feedback, **sections)
    pages = shutil.copytree(WEB_CLIENT, folder / "pages")
    (pages / RECORDER_FILE).write_text(RECORDER, encoding="utf-8")
    running: Future[PageServer] = Future()
    over = threading.Event()

    async def serve() -> None:
        engine = FakeEngine(replies)
        async with live_server(engine, config, web_client=pages) as live:
            running.set_result(PageServer(live, asyncio.get_running_loop()))
            await asyncio.to_thread(over.wait)

    def run() -> None:
        try:
            asyncio.run(serve())
        except Exception as error:
            if running.done():
                raise
            running.set_exception(error)

    thread = threading.Thread(target=run, name="page-server")
    thread.start()
    try:
        yield running.result(START_TIMEOUT_S)
    finally:
        over.set()
        thread.join()
