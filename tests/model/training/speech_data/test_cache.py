"""Clips are made once, found again, and made by several processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.training.speech_data import cache
from model.training.speech_data.cache import ClipCache, FillProgress, write_progress_line
from model.training.speech_data.clips import Clip
from model.training.speech_data.synthesis import SpeechRequest
from model.training.speech_data.voices import Engine
from tests.model.training.speech_data.toy_speech import needs, toy_clip

pytestmark = pytest.mark.integration


class CountingSynthesizer:
    """Says everything as the same clip, and counts."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def speak(self, request: SpeechRequest) -> Clip:
        return self.speak_all([request])[0]

    def speak_all(self, requests: list[SpeechRequest]) -> list[Clip]:
        self.said += [request.text for request in requests]
        return [toy_clip(0.1, 22_050) for _ in requests]


@pytest.fixture
def synthesizer(monkeypatch: pytest.MonkeyPatch) -> CountingSynthesizer:
    counting = CountingSynthesizer()
    monkeypatch.setattr(cache, "_synthesizer", lambda: counting)
    return counting


def test_a_clip_is_made_once_and_kept_at_the_rate_of_the_cache(
    tmp_path: Path, synthesizer: CountingSynthesizer
) -> None:
    clips = ClipCache(tmp_path, 16_000)
    request = SpeechRequest("flite/rms", "hello")
    assert clips.get(request) is None
    made = clips.speak(request, synthesizer)
    found = ClipCache(tmp_path, 16_000).speak(request, synthesizer)
    assert synthesizer.said == ["hello"]
    assert made.rate_hz == 16_000
    assert made.to_bytes() == found.to_bytes()
    assert not list(tmp_path.rglob("*.part"))


def test_reading_a_clip_that_was_not_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="fill the cache first"):
        ClipCache(tmp_path, 16_000).read(SpeechRequest("flite/rms", "hello"))


def test_everything_that_changes_the_sound_changes_the_file(tmp_path: Path) -> None:
    clips = ClipCache(tmp_path, 16_000)
    requests = [
        SpeechRequest("flite/rms", "a"),
        SpeechRequest("flite/awb", "a"),
        SpeechRequest("flite/rms", "b"),
        SpeechRequest("flite/rms", "a", rate=1.1),
        SpeechRequest("flite/rms", "a", pitch=1.1),
    ]
    paths = {clips.path_of(request) for request in requests}
    paths.add(ClipCache(tmp_path, 24_000).path_of(requests[0]))
    assert len(paths) == 6


def test_a_fill_makes_what_is_missing_once_and_reports(
    tmp_path: Path, synthesizer: CountingSynthesizer
) -> None:
    clips = ClipCache(tmp_path, 16_000)
    requests = [SpeechRequest("flite/rms", f"number {n}") for n in range(70)]
    clips.fill(requests[:10])
    reports: list[FillProgress] = []
    done = clips.fill(requests + requests, report=reports.append)
    assert sorted(synthesizer.said) == sorted(request.text for request in requests)
    assert [report.n_done for report in reports] == [32, 60]
    assert (done.n_done, done.n_all) == (60, 60)
    assert done.speech_s == pytest.approx(60 * 0.3, rel=0.01)
    assert clips.fill(requests).n_all == 0


@needs(Engine.FLITE)
def test_processes_make_the_same_clips(tmp_path: Path) -> None:
    requests = [SpeechRequest("flite/kal16", f"the number {n}") for n in "abcdef"]
    one, two = ClipCache(tmp_path / "one", 16_000), ClipCache(tmp_path / "two", 16_000)
    one.fill(requests)
    two.fill(requests, n_workers=2)
    for request in requests:
        assert one.path_of(request).read_bytes() == two.path_of(request).read_bytes()


def test_an_error_in_a_process_reaches_the_caller(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to say"):
        ClipCache(tmp_path, 16_000).fill([SpeechRequest("flite/rms", " ")], n_workers=2)


def test_the_progress_line_tells_how_far_and_how_fast(capsys: pytest.CaptureFixture[str]) -> None:
    write_progress_line(FillProgress(5, 10, 120.0, 4.0))
    assert "5/10 clips, 2.0 min, 30 x real time, 4 s left" in capsys.readouterr().err
    write_progress_line(FillProgress(10, 10, 240.0, 8.0))
    assert capsys.readouterr().err.endswith("\n")
