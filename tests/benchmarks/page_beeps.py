"""Beeps into the page's microphone, and when the page plays their echo.

    python -m tests.benchmarks.page_beeps URL SECONDS

The page must be served with :data:`RECORDER` among its files (``echo_server --pages``). Microphone
and speaker are recorded by one audio thread, sample by sample, so that no clock is compared with
another. Says "connected", then prints one line of JSON, times in seconds of that recording.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from playwright.sync_api import Page, expect, sync_playwright

from tests.benchmarks.echo_server import LOUD, QUIET_BEFORE_BEEP_S
from tests.browser.conftest import BROWSERS, FAKE_DEVICES, FLAGS, WAIT_MS
from tests.fakes.opus_voice import tone

RATE_HZ = 48_000
BEEP_EVERY_S = 1.013
"""No multiple of a packet's 20 ms: the beeps meet them at every phase."""
BEEP_S = 0.1
FILE_S = 300.0
SETTLE_MS = 3000
"""The receiver begins with more delay than it needs."""
RECORDER_FILE = "beep-recorder.js"
RECORDER = """
registerProcessor("beep-recorder", class extends AudioWorkletProcessor {
  process([input]) {
    this.port.postMessage(input.map((channel) => channel.slice()));
    return true;
  }
});
"""
HOOK = f"""
const RATE = {RATE_HZ}, FILE = {RECORDER_FILE!r};
window.recorded = [];
localStorage.setItem("omnicall.settings", JSON.stringify({{ transport: "webrtc" }}));
const devices = navigator.mediaDevices;
const plainGet = devices.getUserMedia.bind(devices);
devices.getUserMedia = async (wish) => {{
  const stream = await plainGet(wish);
  if (stream.getAudioTracks().length > 0) {{
    window.microphone = new MediaStream([stream.getAudioTracks()[0]]);
  }}
  return stream;
}};
const record = async (speaker) => {{
  const context = new AudioContext({{ sampleRate: RATE }});
  await context.audioWorklet.addModule("/" + FILE);
  const both = new ChannelMergerNode(context, {{ numberOfInputs: 2 }});
  context.createMediaStreamSource(window.microphone).connect(both, 0, 0);
  context.createMediaStreamSource(speaker).connect(both, 0, 1);
  const node = new AudioWorkletNode(context, "beep-recorder", {{ channelCount: 2,
    channelCountMode: "explicit" }});
  node.port.onmessage = ({{ data }}) => window.recorded.push(data);
  both.connect(node).connect(context.destination);
}};
const plainPlay = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {{
  if (this instanceof HTMLAudioElement && this.srcObject) {{
    record(this.srcObject);
  }}
  return plainPlay.call(this);
}};
"""
READ = """
(channel) => {
  const samples = new Int16Array(window.recorded.flatMap((block) =>
    Array.from(block[channel] ?? new Float32Array(128), (value) => value * 32767)));
  let text = "";
  for (let at = 0, bytes = new Uint8Array(samples.buffer); at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
}
"""


def onsets_s(page: Page, channel: int) -> list[float]:
    """When the sound of one channel of the recording becomes loud after a pause."""
    samples = np.frombuffer(base64.b64decode(page.evaluate(READ, channel)), np.int16)
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > LOUD)
    pauses = np.diff(loud, prepend=-RATE_HZ) > QUIET_BEFORE_BEEP_S * RATE_HZ
    return [float(at) / RATE_HZ for at in loud[pauses]]


def microphone_file(folder: Path) -> Path:
    """A recording of beeps that is longer than any call here."""
    beep = tone(1000, BEEP_S, 20_000)
    sound = np.zeros(round(FILE_S * RATE_HZ), np.int16)
    for index in range(1, int(FILE_S / BEEP_EVERY_S)):
        start = round(index * BEEP_EVERY_S * RATE_HZ)
        sound[start : start + beep.size] = beep
    path = folder / "beeps.wav"
    soundfile.write(path, sound, RATE_HZ)
    return path


def call(url: str, seconds: float, microphone: Path) -> dict[str, list[float]]:
    """Call from the page and listen."""
    found = next(filter(None, map(shutil.which, BROWSERS)))
    flags = [*FLAGS, FAKE_DEVICES, f"--use-file-for-fake-audio-capture={microphone}"]
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=flags)
        page = browser.new_page()
        page.add_init_script(HOOK)
        page.goto(url)
        page.locator("#place").click()
        expect(page.locator("#call")).to_be_visible(timeout=WAIT_MS)
        page.wait_for_timeout(SETTLE_MS)
        sys.stdout.write("connected\n")
        sys.stdout.flush()
        page.evaluate("() => { window.recorded.length = 0; }")
        page.wait_for_timeout(1000 * seconds)
        heard = {"beeps": onsets_s(page, 0), "echoes": onsets_s(page, 1)}
        browser.close()
    return heard


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        heard = call(options.url, options.seconds, microphone_file(Path(folder)))
    sys.stdout.write(json.dumps(heard) + "\n")


if __name__ == "__main__":
    main()
