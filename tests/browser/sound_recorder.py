"""What a page plays, recorded inside the browser sample by sample, and how to compare it."""

from __future__ import annotations

import base64

import numpy as np
from playwright.sync_api import Page

RATE_HZ = 24_000
FFT_SAMPLES = 512
HOP_SAMPLES = 96
SPEECH_BINS = 160
"""Up to 7.5 kHz: above, a codec is free to differ."""
FLOOR = 1e-2
STRETCH_FRAMES = 100
"""0.4 s."""
MAX_SHIFT_FRAMES = 30
"""120 ms."""
LEAD_SAMPLES = 24 * HOP_SAMPLES
QUIET = 40
"""Below this a sample counts as silence."""

RECORDER_FILE = "test-recorder.js"
"""Among the pages: an audio thread loads its modules past everything that could stand in."""
RECORDER = """
registerProcessor("test-recorder", class extends AudioWorkletProcessor {
  process([input]) {
    if (input.length > 0) {
      this.port.postMessage(input[0].slice());
    }
    return true;
  }
});
"""
HOOK = (
    f"const RECORDER_FILE = {RECORDER_FILE!r};"
    + """
window.recorded = [];
const record = async (source) => {
  const { context } = source;
  await context.audioWorklet.addModule("/" + RECORDER_FILE);
  const node = new AudioWorkletNode(context, "test-recorder", { channelCount: 1,
    channelCountMode: "explicit" });
  node.port.onmessage = ({ data }) => window.recorded.push(data);
  plainConnect.call(source, node);
  plainConnect.call(node, context.destination);
};
const plainConnect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...rest) {
  const isSpeech = target instanceof AudioDestinationNode && this.numberOfInputs === 0
    && this instanceof AudioWorkletNode;
  if (isSpeech) {
    record(this);
  }
  return plainConnect.call(this, target, ...rest);
};
const plainPlay = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  if (this instanceof HTMLAudioElement && this.srcObject) {
    const context = new AudioContext({ sampleRate: 24000 });
    record(context.createMediaStreamSource(this.srcObject));
  }
  return plainPlay.call(this);
};
"""
)
READ = """
() => {
  const length = window.recorded.reduce((sum, block) => sum + block.length, 0);
  const samples = new Int16Array(length);
  let at = 0;
  for (const block of window.recorded) {
    for (const value of block) {
      samples[at++] = Math.max(-32768, Math.min(32767, Math.round(value * 32768)));
    }
  }
  const bytes = new Uint8Array(samples.buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  }
  return btoa(text);
}
"""


def install_recorder(page: Page) -> None:
    """Record from the first sample on; to be called before the page is opened."""
    page.add_init_script(HOOK)


def recorded(page: Page) -> np.ndarray:
    """Everything so far, int16 ``[n]`` at 24 kHz."""
    return np.frombuffer(base64.b64decode(page.evaluate(READ)), np.int16)


def forget_recording(page: Page) -> None:
    """Begin anew."""
    page.evaluate("() => { window.recorded.length = 0; }")


def heard_speech(page: Page) -> np.ndarray:
    """From ``LEAD_SAMPLES`` before the first sound on.

    An audio thread without its share of the processor makes less silence than time goes by; what
    is missing before the sound is filled up.
    """
    silence = np.zeros(LEAD_SAMPLES, np.int16)
    samples = np.concatenate([silence, recorded(page)])
    loud = np.flatnonzero(np.abs(samples.astype(int)) > QUIET)
    assert len(loud), "nothing was heard"
    return samples[loud[0] - LEAD_SAMPLES :]


def log_spectrogram(samples: np.ndarray) -> np.ndarray:
    """Log magnitudes ``[frames, bins]``."""
    framed = np.lib.stride_tricks.sliding_window_view(samples / 32768, FFT_SAMPLES)[::HOP_SAMPLES]
    spectrum: np.ndarray = np.abs(np.fft.rfft(framed * np.hanning(FFT_SAMPLES)))
    return np.log(spectrum[:, :SPEECH_BINS] + FLOOR)


def stretch_correlations(heard: np.ndarray, said: np.ndarray) -> list[float]:
    """How alike each stretch of what was said is to what was heard at its time, 1 for the same.

    A receiver plays a little faster or slower to follow its network, so every stretch may be a
    little earlier or later than the one before it suggests; none may be missing.
    """
    reference, received = log_spectrogram(said), log_spectrogram(heard)
    correlations, place = [], LEAD_SAMPLES // HOP_SAMPLES
    for start in range(0, len(reference), STRETCH_FRAMES):
        stretch = reference[start : start + STRETCH_FRAMES]
        found = {
            at: _correlation(stretch, received[at : at + len(stretch)])
            for at in range(max(0, place - MAX_SHIFT_FRAMES), place + MAX_SHIFT_FRAMES + 1)
        }
        best = max(found, key=lambda at: found[at])
        correlations.append(found[best])
        place = best + len(stretch)
    return correlations


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    if one.shape != other.shape:
        return 0.0  # the recording is over
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
