"""The page's modules by themselves, run in the browser they are written for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import visiting
from tests.browser.page_server import page_server

pytestmark = pytest.mark.browser

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def run(quiet: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Evaluate a function of the modules' namespaces, named by their paths."""
    with (
        page_server(tmp_path_factory.mktemp("server"), []) as server,
        visiting(quiet, f"{server.url}/status.html") as visit,
    ):

        def evaluate(module: str, body: str, argument: object = None) -> Any:
            script = (
                f"async (given) => {{ const module = await import('/src/{module}.js'); {body} }}"
            )
            return visit.page.evaluate(script, argument)

        yield evaluate


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(48_000, 16_000), (44_100, 16_000), (16_000, 24_000), (48_000, 24_000)]
)
def test_resampling_keeps_a_tone_and_takes_out_what_cannot_be_kept(
    run: Run, from_hz: int, to_hz: int
) -> None:
    body = """
      const { Resampler } = module;
      const tone = (hz) => Float32Array.from({ length: given.from },
        (_, i) => Math.sin(2 * Math.PI * hz * i / given.from));
      const resampler = new Resampler(given.from, given.to);
      const kept = resampler.push(tone(1000));
      const lost = new Resampler(given.from, given.to).push(tone(0.62 * given.to));
      return { kept: [...kept], lost: [...lost] };
    """
    result = run("worklets/resampler", body, {"from": from_hz, "to": to_hz})
    kept = np.array(result["kept"])
    assert abs(len(kept) - to_hz) < to_hz / 100
    time_s = np.arange(len(kept)) / to_hz
    expected = np.sin(2 * np.pi * 1000 * time_s)
    middle = slice(100, -100)
    assert np.abs(kept - expected)[middle].max() < 0.01
    if 0.62 * to_hz < from_hz / 2:
        assert np.abs(np.array(result["lost"]))[middle].max() < 0.02, "nothing is mirrored"


def test_resampling_does_not_depend_on_how_the_sound_is_cut(run: Run) -> None:
    body = """
      const { Resampler } = module;
      const sound = Float32Array.from({ length: 5000 }, (_, i) => Math.sin(i * i / 9000));
      const whole = [...new Resampler(44100, 16000).push(sound)];
      const resampler = new Resampler(44100, 16000);
      const pieces = [];
      for (let at = 0, size = 1; at < sound.length; at += size, size = size * 7 % 331 + 1) {
        pieces.push(...resampler.push(sound.subarray(at, at + size)));
      }
      return [whole, pieces];
    """
    whole, pieces = run("worklets/resampler", body)
    assert whole == pieces


PLAYOUT = """
  const reports = [];
  const queue = new module.PlayoutQueue(4, 100, (report) => reports.push(report));
  const ramp = (from, n) => Float32Array.from({ length: n }, (_, i) => from + i);
  const pull = (n) => { const out = new Float32Array(n); queue.pull(out); return [...out]; };
"""


def test_playout_waits_for_its_lead_and_plays_every_sample_once(run: Run) -> None:
    body = (
        PLAYOUT
        + """
      queue.push("a", ramp(1, 3));
      const before = pull(3);
      queue.push("a", ramp(4, 4));
      const during = pull(5);
      queue.complete("a");
      queue.push("b", ramp(100, 2));
      queue.complete("b");
      return { before, during, after: pull(6), reports };
    """
    )
    result = run("worklets/playout_queue", body)
    assert result["before"] == [0, 0, 0]
    assert result["during"] == [1, 2, 3, 4, 5]
    assert result["after"] == [6, 7, 100, 101, 0, 0]
    assert [(r["kind"], r["id"], r["played"]) for r in result["reports"]] == [
        ("started", "a", 0),
        ("finished", "a", 7),
        ("started", "b", 0),
        ("finished", "b", 2),
    ]


def test_playout_that_ran_dry_says_so_and_gathers_a_lead_again(run: Run) -> None:
    body = (
        PLAYOUT
        + """
      queue.push("a", ramp(1, 4));
      const dry = pull(6);
      queue.push("a", ramp(5, 2));
      const waiting = pull(2);
      queue.push("a", ramp(7, 2));
      return { dry, waiting, again: pull(4), reports };
    """
    )
    result = run("worklets/playout_queue", body)
    assert result["dry"] == [1, 2, 3, 4, 0, 0]
    assert result["waiting"] == [0, 0]
    assert result["again"] == [5, 6, 7, 8]
    assert [report["kind"] for report in result["reports"]] == ["started", "starved"]


def test_playout_that_is_stopped_knows_what_was_played_and_fades(run: Run) -> None:
    body = (
        PLAYOUT
        + """
      queue.push("a", new Float32Array(90).fill(1));
      pull(10);
      const { id, played, tail } = queue.clear();
      return { id, played, tail: [...tail], after: pull(3), nothing: queue.clear() };
    """
    )
    result = run("worklets/playout_queue", body)
    assert (result["id"], result["played"]) == ("a", 90)
    tail = np.array(result["tail"])
    assert tail[0] == 1 and (np.diff(tail) <= 0).all(), "it fades"
    assert result["after"] == [0, 0, 0]
    assert result["nothing"] is None


def test_playout_refuses_what_it_has_no_room_for(run: Run) -> None:
    body = PLAYOUT + 'return [queue.push("a", ramp(0, 100)), queue.push("a", ramp(0, 1))];'
    assert run("worklets/playout_queue", body) == [True, False]


def test_samples_survive_base64_and_loud_ones_are_clipped(run: Run) -> None:
    body = """
      const samples = Int16Array.from([0, 1, -1, 32767, -32768, 12345]);
      const back = module.floatsFromBase64(module.base64FromSamples(samples));
      return [[...module.samplesFromFloats(back)],
        [...module.samplesFromFloats(Float32Array.from([2, -2]))]];
    """
    kept, clipped = run("audio/pcm", body)
    assert kept == [0, 1, -1, 32767, -32768, 12345]
    assert clipped == [32767, -32768]


@pytest.mark.parametrize("stored", [None, 7, {"mode": "fax", "patienceMs": "x", "hd": 1}])
def test_settings_that_make_no_sense_become_the_defaults(run: Run, stored: object) -> None:
    body = "return [module.settingsFrom(given), {...module.DEFAULT_SETTINGS}];"
    settings, defaults = run("settings", body, stored)
    assert settings == defaults


def test_settings_out_of_range_are_brought_into_it(run: Run) -> None:
    body = "return module.settingsFrom({patienceMs: 99999, mode: 'voice'});"
    settings = run("settings", body)
    assert (settings["patienceMs"], settings["mode"]) == (2000, "voice")


def test_a_transcript_follows_the_events_of_a_turn(run: Run) -> None:
    events = [
        {"type": "input_audio_buffer.speech_started", "item_id": "u", "audio_start_ms": 500},
        {"type": "input_audio_buffer.speech_stopped", "item_id": "u", "audio_end_ms": 2000},
        {
            "type": "conversation.item.input_audio_transcription.completed",
            "item_id": "u",
            "transcript": " What is this? ",
        },
        *(
            {
                "type": "response.output_audio_transcript.delta",
                "item_id": "a",
                "response_id": "r",
                "delta": delta,
            }
            for delta in ("A ", "house.")
        ),
        {"type": "response.done", "response": {"id": "r", "status": "completed"}},
        {"type": "output_audio_buffer.cleared", "response_id": "r"},
    ]
    body = """
      const transcript = new module.Transcript();
      given.forEach((event, i) => transcript.apply(event, 1000 * i));
      const text = transcript.toText(({ role }) => role, ({ text }) => text, (ms) => `${ms}`);
      return [transcript.entries, text];
    """
    (user, assistant), text = run("transcript", body, events)
    assert (user["text"], user["durationMs"], user["status"]) == ("What is this?", 1500, "done")
    assert (assistant["text"], assistant["status"]) == ("A house.", "interrupted")
    assert text == "[0] user: What is this?\n[3000] assistant: A house.\n"


def test_the_answer_time_runs_from_the_end_of_speech_to_the_first_sound(run: Run) -> None:
    body = """
      const metrics = new module.CallMetrics();
      const stopped = { type: "input_audio_buffer.speech_stopped", audio_end_ms: 700 };
      const started = { type: "output_audio_buffer.started" };
      metrics.apply(stopped, 1500, (ms) => 100 + ms, 500);
      metrics.apply(started, 1900, () => null, 500);
      const known = metrics.figures.answerMs;
      metrics.apply(stopped, 5000, () => null, 500);
      metrics.apply(started, 5200, () => null, 500);
      metrics.apply(started, 9999, () => null, 500);
      return [known, metrics.figures.answerMs, metrics.figures.medianAnswerMs];
    """
    assert run("call_metrics", body) == [1100, 700, 1100]


@pytest.mark.parametrize(
    ("stats", "quality"),
    [
        ({}, "good"),
        ({"rttMs": 200}, "fair"),
        ({"lossPercent": 8}, "poor"),
        ({"rttMs": 10, "jitterMs": 100}, "poor"),
    ],
)
def test_quality_is_that_of_the_worst_figure(run: Run, stats: object, quality: str) -> None:
    body = """
      const metrics = new module.CallMetrics();
      const unknown = metrics.quality;
      const nothing = { rttMs: null, jitterMs: null, lossPercent: null, gaps: 0, droppedMs: 0 };
      metrics.observe({ ...nothing, ...given });
      return [unknown, metrics.quality];
    """
    assert run("call_metrics", body, stats) == ["unknown", quality]


def test_a_session_is_what_the_caller_chose(run: Run) -> None:
    body = """
      const settings = { mode: "voice", voice: "recording", instructions: " Be brief. ", hd: true,
        patienceMs: 900, interruption: false };
      const patch = module.sessionPatch(settings, "zh", "UklG");
      return [patch, module.withPcmFormats(patch), module.sessionPatch(settings, "zh", null)];
    """
    patch, with_formats, without_voice = run("session_patch", body)
    assert (patch["mode"], patch["language"], patch["hd"]) == ("audio", "zh", True)
    assert patch["instructions"] == "Be brief."
    detection = patch["audio"]["input"]["turn_detection"]
    assert detection["silence_duration_ms"] == 900
    assert detection["interrupt_response"] is False
    assert patch["audio"]["output"]["voice"] == {"reference_audio": "UklG"}
    assert without_voice["audio"]["output"]["voice"] == "default"
    assert with_formats["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 16000}
    assert with_formats["audio"]["output"]["voice"] == {"reference_audio": "UklG"}
