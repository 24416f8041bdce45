"""espeak-ng, called inside the process: hundreds of voices, one formant synthesizer."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from model.training.speech_data.clips import Clip, Phone, Word, from_pcm
from model.training.speech_data.phones import SILENCE, phones_of_ipa
from model.training.speech_data.synthesis import (
    MissingProgramError,
    SpeechRequest,
    changed_afterwards,
)
from model.training.speech_data.voices import voice_named

LIBRARY = "libespeak-ng.so.1"
INSTALL = "apt-get install espeak-ng"

_SYNCHRONOUS = 2
_PHONEME_EVENTS_IN_IPA = 0b11
_UTF8 = 1
_RATE, _PITCH = 1, 3
"""Numbers of the parameters."""
_WORD_EVENT, _END_EVENT, _PHONEME_EVENT = 1, 5, 7
_USUAL_WORDS_PER_MINUTE = 175
_USUAL_PITCH = 50
_PITCH_STEPS_PER_OCTAVE = 100.0
"""From 0 to 100 the height about doubles."""


class _EventId(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    """espeak-ng's ``espeak_EVENT``."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class EspeakSynthesizer:
    """The voices of espeak-ng through its shared library; one per process, not thread-safe.

    The program carries a little state from one utterance to the next: the same request may differ
    in a few samples. Where the library lies elsewhere, ``LD_LIBRARY_PATH`` and ``ESPEAK_DATA_PATH``
    find it and its data.

    Raises:
        MissingProgramError: The library is not installed.
    """

    def __init__(self) -> None:
        try:
            self._espeak = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise MissingProgramError(f"espeak-ng is not installed ({error}); {INSTALL}") from error
        self._rate_hz = self._espeak.espeak_Initialize(
            _SYNCHRONOUS, 0, None, _PHONEME_EVENTS_IN_IPA
        )
        if self._rate_hz <= 0:
            raise MissingProgramError(f"espeak-ng does not find its data; {INSTALL}")
        self._libc = ctypes.CDLL(None)
        self._pieces: list[np.ndarray] = []
        self._phones: list[tuple[int, str]] = []
        self._words: list[tuple[int, int, int]] = []
        self._callback = _CALLBACK(self._collect)  # The library keeps only a bare pointer.
        self._espeak.espeak_SetSynthCallback(self._callback)

    def speak(self, requests: Sequence[SpeechRequest]) -> list[Clip]:
        """Say every request; samples at 22,050 Hz.

        Raises:
            MissingProgramError: A voice's data are not installed.
        """
        return [self._speak(request) for request in requests]

    def _speak(self, request: SpeechRequest) -> Clip:
        name = voice_named(request.voice).engine_voice
        if self._espeak.espeak_SetVoiceByName(name.encode()) != 0:
            raise MissingProgramError(f"espeak-ng has no voice {name}; {INSTALL}")
        steps = _USUAL_PITCH + _PITCH_STEPS_PER_OCTAVE * np.log2(request.pitch)
        steps = round(min(max(float(steps), 0.0), 100.0))
        words_per_minute = round(_USUAL_WORDS_PER_MINUTE * request.rate)
        self._espeak.espeak_SetParameter(_RATE, words_per_minute, 0)
        self._espeak.espeak_SetParameter(_PITCH, steps, 0)
        self._libc.srand(1)
        for collected in (self._pieces, self._phones, self._words):
            collected.clear()
        data = request.text.encode() + b"\0"
        self._espeak.espeak_Synth(data, len(data), 0, 1, 0, _UTF8, None, None)
        rate = request.rate * _USUAL_WORDS_PER_MINUTE / words_per_minute
        pitch = request.pitch / 2.0 ** ((steps - _USUAL_PITCH) / _PITCH_STEPS_PER_OCTAVE)
        clip = self._read(request.text)
        return clip if abs(pitch - 1.0) < 0.02 else changed_afterwards(clip, rate, pitch)

    def _collect(self, wave: object, n_samples: int, events: object) -> int:
        if wave and n_samples:
            self._pieces.append(np.ctypeslib.as_array(wave, (n_samples,)).copy())
        index = 0
        while events[index].type:
            event = events[index]
            if event.type == _PHONEME_EVENT:
                self._phones.append((event.sample, event.id.string.decode("utf-8", "ignore")))
            elif event.type == _END_EVENT:
                self._phones.append((event.sample, ""))
            elif event.type == _WORD_EVENT:
                first = event.text_position - 1
                # The last word of a text is sometimes reported twice.
                if not self._words or first >= self._words[-1][1] + self._words[-1][2]:
                    self._words.append((event.sample, first, event.length))
            index += 1
        return 0

    def _read(self, text: str) -> Clip:
        pcm = np.concatenate(self._pieces) if self._pieces else np.zeros(0, dtype=np.int16)
        phones: list[Phone] = []
        starts = [(0, ""), *self._phones]
        ends = [sample for sample, _ in self._phones] + [pcm.size]
        for (start, ipa), end in zip(starts, ends, strict=True):
            symbols = phones_of_ipa(ipa) or [SILENCE]
            edges = np.linspace(start, max(start, end), len(symbols) + 1) / self._rate_hz
            for symbol, start_s, end_s in zip(symbols, edges[:-1], edges[1:], strict=True):
                if end_s > start_s:
                    phones.append(Phone(symbol, float(start_s), float(end_s)))
        return Clip(text, from_pcm(pcm), self._rate_hz, tuple(phones), self._read_words(text, pcm))

    def _read_words(self, text: str, pcm: np.ndarray) -> tuple[Word, ...]:
        """Words end where the next one or a pause begins; words read as one are one."""
        pauses = [sample for sample, ipa in self._phones if not phones_of_ipa(ipa)]
        words: list[Word] = []
        following = [(sample, first) for sample, first, _ in self._words[1:]]
        following.append((pcm.size, len(text)))
        for (start, first, length), (next_start, next_first) in zip(
            self._words, following, strict=True
        ):
            end = min([pause for pause in pauses if pause > start] + [next_start])
            spelled = text[first:next_first].rstrip(" \n.,;:!?\"'")
            end_char = max(first + length, first + len(spelled))
            start_s, end_s = start / self._rate_hz, max(start, end) / self._rate_hz
            words.append(Word(first, min(end_char, len(text)), start_s, end_s))
        return tuple(words)
