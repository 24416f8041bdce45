"""The commands that make what the stages read."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from model.training.recipe import __main__ as recipe
from model.training.recipe.folders import TRAINING_DIR_VARIABLE
from model.training.recipe.questions import CALLS
from model.training.recipe.replies import StyledReply
from model.training.speech_data.synthesis import SpeechRequest

pytestmark = pytest.mark.unit


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(TRAINING_DIR_VARIABLE, str(tmp_path))
    return tmp_path


def test_the_corpus_is_one_sentence_a_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "corpus", lambda: ["hello", "goodbye"])
    recipe.main(["corpus"])
    assert (folder / "corpus.txt").read_text() == "hello\ngoodbye"


def test_clips_are_of_answers_sentences_questions_and_references(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled: list[tuple[str, int]] = []

    class Clips:
        def __init__(self, name: str) -> None:
            self.name = name

        def fill(self, requests: list[object], n_workers: int, report: object) -> None:
            filled.append((self.name, len(requests)))

    monkeypatch.setattr(recipe, "reply_clips", lambda: Clips("replies"))
    monkeypatch.setattr(recipe, "question_clips", lambda: Clips("questions"))
    monkeypatch.setattr(recipe, "styled_replies", lambda: [StyledReply("Hello.", 0)])
    monkeypatch.setattr(recipe, "sentence_requests", lambda: [SpeechRequest("flite/rms", "Ah.")])
    monkeypatch.setattr(recipe, "question_requests", lambda: (1, 2, 3))
    monkeypatch.setattr(recipe, "record_references", lambda to: filled.append((to.name, 0)))
    recipe.main(["clips", "--workers", "2"])
    assert filled == [("replies", 2), ("questions", 3), ("references", 0)]


def test_pictures_are_drawn_file_by_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(recipe, "draw_file", lambda seed, index: drawn.append(index))
    recipe.main(["pictures", "--files", "3"])
    assert drawn == [0, 1, 2]


def test_codes_vectors_and_sounds_come_from_a_checkpoint(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    monkeypatch.setattr(recipe, "_model", lambda path: path)
    monkeypatch.setattr(recipe, "encode_replies", lambda model, to: made.append((model, to)))
    monkeypatch.setattr(
        recipe, "encode_pictures", lambda model, to, seeds: made.append((model, to, seeds))
    )
    monkeypatch.setattr(
        recipe, "encode_quiz_pictures", lambda model, to: made.append((model, to, "quiz"))
    )
    monkeypatch.setattr(recipe, "question_clips", lambda: SimpleNamespace(read=None))
    monkeypatch.setattr(
        recipe, "encode_calls", lambda model, to, seeds, speak: made.append((model, to, seeds))
    )
    start = folder / "start"
    recipe.main(["codes", "--from", str(start)])
    recipe.main(["vectors", "--from", str(start), "--calls", "7"])
    vectors = folder / "vectors"
    assert made == [
        (start, folder / "codes"),
        (start, vectors, "quiz"),
        (start, vectors, CALLS[:7]),
    ]
    recipe.main(["sounds", "--from", str(start), "--calls", "300"])
    files = [CALLS[:250], CALLS[250:300]]
    assert made[3:] == [(start, folder / "sounds", seeds) for seeds in files]


def test_voices_are_recorded_where_they_are_wanted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded: list[Path] = []
    monkeypatch.setattr(recipe, "record_voices", recorded.append)
    recipe.main(["voices", "--out", str(folder / "voices")])
    assert recorded == [folder / "voices"]
