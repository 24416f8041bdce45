"""Both alphabets come down to the same phones, and every frame gets the one in its middle."""

from __future__ import annotations

import numpy as np
import pytest

from model.training.batches import IGNORED
from model.training.speech_data.clips import Phone
from model.training.speech_data.phones import (
    FRAME_SAMPLES_25_HZ,
    PHONE_INDEX,
    PHONES,
    UNKNOWN,
    frame_targets,
    phone_of_arpabet,
    phones_of_ipa,
)

pytestmark = pytest.mark.unit


def test_the_inventory_is_english_and_silence() -> None:
    assert len(PHONES) == len(set(PHONES)) == 40
    assert PHONES[0] == "pau"


@pytest.mark.parametrize(
    ("symbol", "phone"), [("ax", "ah"), ("AH0", "ah"), ("#", "pau"), ("zh", "zh"), ("qq", UNKNOWN)]
)
def test_arpabet_is_reduced(symbol: str, phone: str) -> None:
    assert phone_of_arpabet(symbol) == phone


@pytest.mark.parametrize(
    ("ipa", "phones"),
    [
        ("tʃ", ["ch"]),
        ("ˈuː", ["uw"]),
        ("əl", ["ah", "l"]),
        ("aɪɚ", ["ay", "er"]),
        ("n̩", ["n"]),
        ("t̪", ["t"]),
        ("oːɹ", ["ao", "r"]),
        ("", []),
        ("ʘ", [UNKNOWN]),
    ],
)
def test_the_phonetic_alphabet_is_reduced(ipa: str, phones: list[str]) -> None:
    assert phones_of_ipa(ipa) == phones


def test_a_frame_has_the_phone_in_its_middle() -> None:
    phones = [Phone("s", 0.031, 0.05), Phone("iy", 0.05, 0.07)]
    targets = frame_targets(phones, [1600])
    names = [PHONES[target] for target in targets]
    assert names == ["pau", "pau", "iy", "pau", "pau"]
    assert targets.dtype == np.int16
    assert frame_targets([Phone("s", 0.029, 0.05)], [1600])[1] == PHONE_INDEX["s"]


def test_every_unit_has_frames_of_its_own() -> None:
    phones = [Phone("m", 1.0, 2.0)]
    targets = frame_targets(phones, [16_000, 500])
    assert targets.size == 50 + 2
    assert set(targets[50:]) == {PHONE_INDEX["m"]}
    assert frame_targets(phones, [16_000, 500], FRAME_SAMPLES_25_HZ).size == 25 + 1


def test_unknown_sounds_take_no_part() -> None:
    assert frame_targets([Phone(UNKNOWN, 0.0, 1.0)], [320]).tolist() == [IGNORED]


def test_no_unit_has_no_frame() -> None:
    assert frame_targets([], []).size == 0
