"""flite, called inside the process: 80 times real time on one core, with exact word times."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence

import numpy as np

from model.training.speech_data.clips import Clip, Phone, from_pcm, locate_words
from model.training.speech_data.phones import SILENCE, phone_of_arpabet
from model.training.speech_data.synthesis import (
    MissingProgramError,
    SpeechRequest,
    changed_afterwards,
)
from model.training.speech_data.voices import voice_named

LIBRARY = "libflite.so.1"
VOICE_LIBRARY = "libflite_cmu_us_{voice}.so.1"
INSTALL = "apt-get install flite (on Debian and Ubuntu it brings the voices too)"

_FIXED_PITCH = frozenset({"rms"})
"""Voices that ignore ``f0_shift``."""
_TOKEN_OF_SEGMENT = b"R:SylStructure.parent.parent.R:Token.parent"
_NOISE_SEED = 1
"""The excitation's noise comes from the C library's generator: same seed, same samples."""


class _Wave(ctypes.Structure):
    """flite's ``cst_wave``."""

    _fields_ = (
        ("type", ctypes.c_char_p),
        ("rate_hz", ctypes.c_int),
        ("n_samples", ctypes.c_int),
        ("n_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


_SIGNATURES: dict[str, tuple[object, ...]] = {
    "flite_init": (ctypes.c_int,),
    "flite_synth_text": (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p),
    "utt_wave": (ctypes.POINTER(_Wave), ctypes.c_void_p),
    "utt_relation": (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p),
    "relation_head": (ctypes.c_void_p, ctypes.c_void_p),
    "item_next": (ctypes.c_void_p, ctypes.c_void_p),
    "flite_path_to_item": (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p),
    "item_feat_string": (ctypes.c_char_p, ctypes.c_void_p, ctypes.c_char_p),
    "item_feat_float": (ctypes.c_float, ctypes.c_void_p, ctypes.c_char_p),
    "feat_set_float": (None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float),
    "delete_utterance": (None, ctypes.c_void_p),
}
"""Result and arguments of the functions used."""


class FliteSynthesizer:
    """The voices of flite through its shared libraries; not thread-safe.

    Where the libraries lie elsewhere (unpacked from their package), ``LD_LIBRARY_PATH`` finds them.

    Raises:
        MissingProgramError: The library is not installed.
    """

    def __init__(self) -> None:
        self._flite = _load(LIBRARY)
        for name, (result, *arguments) in _SIGNATURES.items():
            function = getattr(self._flite, name)
            function.restype, function.argtypes = result, arguments
        self._flite.flite_init()
        self._libc = ctypes.CDLL(None)
        self._voices: dict[str, int] = {}

    def speak(self, requests: Sequence[SpeechRequest]) -> list[Clip]:
        """Say every request; samples at 16 kHz.

        Raises:
            MissingProgramError: The library of a voice is not installed.
        """
        return [self._speak(request) for request in requests]

    def _speak(self, request: SpeechRequest) -> Clip:
        name = voice_named(request.voice).engine_voice
        voice = self._voice(name)
        own_pitch = 1.0 if name in _FIXED_PITCH else request.pitch
        # The second field of a voice is its table of features.
        features = ctypes.cast(voice, ctypes.POINTER(ctypes.c_void_p))[1]
        self._flite.feat_set_float(features, b"duration_stretch", 1.0 / request.rate)
        self._flite.feat_set_float(features, b"f0_shift", own_pitch)
        self._libc.srand(_NOISE_SEED)
        utterance = self._flite.flite_synth_text(request.text.encode(), voice)
        try:
            clip = self._read(request.text, utterance)
        finally:
            self._flite.delete_utterance(utterance)
        return changed_afterwards(clip, 1.0, request.pitch / own_pitch)

    def _voice(self, name: str) -> int:
        if name not in self._voices:
            register = getattr(_load(VOICE_LIBRARY.format(voice=name)), f"register_cmu_us_{name}")
            register.restype, register.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
            self._voices[name] = register(None)
        return self._voices[name]

    def _read(self, text: str, utterance: int) -> Clip:
        wave = self._flite.utt_wave(utterance).contents
        pcm = np.ctypeslib.as_array(wave.samples, (wave.n_samples,)).copy()
        length_s = pcm.size / wave.rate_hz
        phones: list[Phone] = []
        words: list[tuple[str, float, float]] = []
        open_token, start_s = None, 0.0
        for segment in self._items(utterance, b"Segment"):
            end_s = min(self._flite.item_feat_float(segment, b"end"), length_s)
            symbol = phone_of_arpabet(self._flite.item_feat_string(segment, b"name").decode())
            phones.append(Phone(symbol, start_s, end_s))
            token = self._flite.flite_path_to_item(segment, _TOKEN_OF_SEGMENT)
            if symbol == SILENCE or not token:
                open_token = None
            elif token == open_token:
                words[-1] = (words[-1][0], words[-1][1], end_s)
            else:
                spelling = self._flite.item_feat_string(token, b"name").decode()
                words.append((spelling, start_s, end_s))
                open_token = token
            start_s = end_s
        return Clip(text, from_pcm(pcm), wave.rate_hz, tuple(phones), locate_words(text, words))

    def _items(self, utterance: int, relation: bytes) -> Iterator[int]:
        item = self._flite.relation_head(self._flite.utt_relation(utterance, relation))
        while item:
            yield item
            item = self._flite.item_next(item)


def _load(name: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise MissingProgramError(f"flite is not installed ({error}); {INSTALL}") from error
