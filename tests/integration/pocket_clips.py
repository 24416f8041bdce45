"""What the short form of pocket's evaluation hears, kept as FLAC files: questions, and what the
teachers of both voices say.

Made by ``python -m tests.integration.pocket_clips``, which needs what ``make voices`` installs;
the tests need none. To be made again when the evaluation's questions change.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

from model.training.domain.evaluation_set import SHORT_PER_INTENT
from model.training.speech_data.call_audio import KEPT_EDGE_S
from model.training.speech_data.clips import Clip, from_pcm, to_pcm
from model.training.speech_data.reply_voices import REPLY_VOICES, SPEECH_HZ
from model.training.speech_data.synthesis import SpeechRequest
from server.evaluation.call_runner import VoiceReference
from server.evaluation.conditions import CONDITIONS, PlannedCall, plan_calls
from server.evaluation.speech_judging import held_out_texts
from server.evaluation.speech_material import SpeechMaterial

FOLDER = Path(__file__).parents[1] / "data" / "pocket"
RATE_HZ = 16_000
CALLS_PER_CONDITION = 15
SPOKEN = ("seen", "unheard")
"""Conditions whose questions are kept."""
TEACHER_SENTENCES = 4
"""What each voice's teacher says, for the vocoder to remake."""


def spoken_plan(name: str) -> list[PlannedCall]:
    """Calls of one question each, over all groups by turns."""
    by_group: dict[str, list[PlannedCall]] = {}
    for planned in plan_calls(CONDITIONS[name], SHORT_PER_INTENT):
        if len(planned.call.script.turns) == 1 and planned.requests():
            by_group.setdefault(planned.call.group, []).append(planned)
    longest = max(len(calls) for calls in by_group.values())
    in_turns = [
        calls[number]
        for number in range(longest)
        for calls in by_group.values()
        if number < len(calls)
    ]
    return in_turns[:CALLS_PER_CONDITION]


class StoredClips:
    """Clips and reference voices of the file."""

    def __init__(self, folder: Path = FOLDER) -> None:
        index = json.loads((folder / "clips.json").read_text(encoding="utf-8"))
        pcm, rate_hz = soundfile.read(folder / "clips.flac", dtype="int16")
        assert rate_hz == RATE_HZ
        self._clips: dict[SpeechRequest, Clip] = {}
        self.references: tuple[VoiceReference, ...] = ()
        for entry in index:
            samples = pcm[entry["start"] : entry["end"]]
            if "reference" in entry:
                voice = VoiceReference(entry["reference"], samples.astype("<i2").tobytes())
                self.references += (voice,)
                continue
            request = SpeechRequest(**entry["request"])
            self._clips[request] = Clip(request.text, from_pcm(samples), RATE_HZ, (), ())

    def speak(self, request: SpeechRequest) -> Clip:
        """The clip of a question.

        Raises:
            KeyError: It is not in the file.
        """
        if request not in self._clips:
            raise KeyError(f"no clip of {request}; run python -m tests.integration.pocket_clips")
        return self._clips[request]


def teacher_speech(voice: str, folder: Path = FOLDER) -> np.ndarray:
    """Sentences of the evaluation by a voice's teacher, float32 ``[n]`` at 24 kHz."""
    samples, rate_hz = soundfile.read(folder / f"{voice}.flac", dtype="float32")
    assert rate_hz == SPEECH_HZ
    speech: np.ndarray = samples
    return speech


def write(folder: Path = FOLDER) -> None:
    """Synthesise everything and write the files."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces: list[np.ndarray] = []
    index: list[dict[str, object]] = []

    def add(pcm: np.ndarray, **entry: object) -> None:
        start = sum(piece.size for piece in pieces)
        pieces.append(pcm)
        index.append({"start": start, "end": start + pcm.size, **entry})

    with TemporaryDirectory() as cache:
        material = SpeechMaterial(Path(cache))
        for reference in material.references():
            add(np.frombuffer(reference.pcm, "<i2"), reference=reference.name)
        plan = [planned for name in SPOKEN for planned in spoken_plan(name)]
        material.fill(plan)
        for planned in plan:
            for request in planned.requests():
                # Trimmed as callers' clips are: without phones nothing more is cut off.
                clip = material.question(request).without_edges(KEPT_EDGE_S)
                add(to_pcm(clip.samples), request=asdict(request))
        for voice in REPLY_VOICES:
            texts = held_out_texts(TEACHER_SENTENCES)
            said = material.say_replies([SpeechRequest(voice.voice, text) for text in texts])
            speech = np.concatenate([clip.without_edges().samples for clip in said])
            soundfile.write(folder / f"{voice.name}.flac", speech, SPEECH_HZ, subtype="PCM_16")
    soundfile.write(folder / "clips.flac", np.concatenate(pieces), RATE_HZ, subtype="PCM_16")
    (folder / "clips.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
