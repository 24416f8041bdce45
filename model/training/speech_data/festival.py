"""festival, run once per batch of utterances: the unheard voices, and the most natural woman."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model.training.speech_data.clips import Clip, Phone, from_pcm, locate_words
from model.training.speech_data.phones import SILENCE, phone_of_arpabet
from model.training.speech_data.synthesis import (
    MissingProgramError,
    SpeechRequest,
    changed_afterwards,
)
from model.training.speech_data.voices import voice_named

PROGRAM = "festival"
INSTALL = "apt-get install festival festvox-us-slt-hts festvox-kdlpc16k"
TIMEOUT_PER_UTTERANCE_S = 20.0
START_TIMEOUT_S = 30.0


class FestivalSynthesizer:
    """The voices of festival; every call of :meth:`speak` runs the program once.

    Raises:
        MissingProgramError: The program is not installed.
    """

    def __init__(self) -> None:
        program = shutil.which(PROGRAM)
        if program is None:
            raise MissingProgramError(f"festival is not installed; {INSTALL}")
        self._program = program

    def speak(self, requests: Sequence[SpeechRequest]) -> list[Clip]:
        """Say every request; samples at the voice's own rate (32 kHz or 16 kHz).

        Raises:
            MissingProgramError: A voice is not installed.
        """
        with tempfile.TemporaryDirectory(prefix="festival-") as name:
            folder = Path(name)
            script = folder / "speak.scm"
            script.write_text(_script(requests, folder), encoding="utf-8")
            done = subprocess.run(
                [self._program, "-b", str(script)],
                capture_output=True,
                text=True,
                check=False,
                timeout=START_TIMEOUT_S + TIMEOUT_PER_UTTERANCE_S * len(requests),
            )
            last = folder / f"{len(requests) - 1}.words"
            if done.returncode != 0 or not last.is_file():
                tail = (done.stderr or done.stdout).strip()[-300:]
                raise MissingProgramError(f"festival failed ({tail}); {INSTALL}")
            clips = [_read(folder, index, request) for index, request in enumerate(requests)]
        return [
            changed_afterwards(clip, request.rate, request.pitch)
            for clip, request in zip(clips, requests, strict=True)
        ]


def _script(requests: Sequence[SpeechRequest], folder: Path) -> str:
    lines: list[str] = []
    selected = None
    for index, request in enumerate(requests):
        name = voice_named(request.voice).engine_voice
        if name != selected:
            lines.append(f"(voice_{name})")
            selected = name
        text = request.text.replace("\\", " ").replace('"', " ")
        stem = folder / str(index)
        lines += [
            f'(set! said (Utterance Text "{text}"))',
            "(utt.synth said)",
            f'(utt.save.wave said "{stem}.wav" \'riff)',
            f'(utt.save.segs said "{stem}.segs")',
            f'(utt.save.words said "{stem}.words")',
        ]
    return "\n".join(lines) + "\n"


def _read(folder: Path, index: int, request: SpeechRequest) -> Clip:
    with wave.open(io.BytesIO((folder / f"{index}.wav").read_bytes())) as file:
        rate_hz = file.getframerate()
        pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    length_s = pcm.size / rate_hz
    phones: list[Phone] = []
    start_s = 0.0
    for end_s, label in _labels(folder / f"{index}.segs"):
        end_s = min(end_s, length_s)
        if end_s > start_s:
            phones.append(Phone(phone_of_arpabet(label), start_s, end_s))
            start_s = end_s
    spoken: list[tuple[str, float, float]] = []
    start_s = 0.0
    pauses_s = [phone.end_s for phone in phones if phone.symbol == SILENCE]
    for end_s, label in _labels(folder / f"{index}.words"):
        begin_s = max([start_s] + [pause for pause in pauses_s if pause < end_s])
        spoken.append((label, begin_s, min(end_s, length_s)))
        start_s = end_s
    words = locate_words(request.text, spoken)
    return Clip(request.text, from_pcm(pcm), rate_hz, tuple(phones), words)


def _labels(path: Path) -> list[tuple[float, str]]:
    """Lines of ``end colour label`` after a ``#``."""
    lines = path.read_text(encoding="utf-8").split("\n")
    rows = [line.split(maxsplit=2) for line in lines[lines.index("#") + 1 :] if line.strip()]
    return [(float(row[0]), row[2]) for row in rows if len(row) == 3]
