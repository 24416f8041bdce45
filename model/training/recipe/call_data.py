"""The joint stage's data: calls with their clips, reference voices and encoded pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from model.image_slicing import slice_image
from model.omni import OmniModel
from model.training.batches import TrainingData
from model.training.joint_sequence import UNIT_SLICES
from model.training.recipe.call_material import CallMaterial
from model.training.recipe.curriculum import SkillBatches
from model.training.recipe.encoded_calls import EncodedTurn, read_calls, scenes_of
from model.training.recipe.folders import training_folder
from model.training.recipe.heard_calls import KINDS, CallBatches, Kind
from model.training.recipe.pictures import SIZE
from model.training.recipe.questions import CALLS, training_call
from model.training.recipe.quizzes import Picture, quiz_scene
from model.training.recipe.replies import N_STYLES
from model.training.scenes.renderers import render
from model.training.speech_data.reply_voices import (
    PROMPT_HZ,
    REPLY_VOICES,
    TRAINING_REFERENCES,
    reference_clip,
)
from model.training.speech_data.synthesizers import SpeechSynthesizer

VECTORS_FILE = "vectors.npz"
QUIZ_FILE = "quiz.npz"
N_QUIZ_PICTURES = 12_000
"""Besides the pictures of calls, in few of which there is more than one thing; the last third has
three to five."""
REFERENCES_FILE = "references.npz"
SOUNDS_FOLDER = "sounds"
WORDS_ONLY: Mapping[str, Kind] = {"typed": Kind(1.0, 24)}
HEARING: Mapping[str, Kind] = {
    "typed": Kind(0.15, 24),
    "read": Kind(0.15, 24),
    "written_down": Kind(0.3, 24),
    "heard": Kind(0.4, 24),
}


def encode_pictures(model: OmniModel, folder: Path, seeds: range) -> None:
    """Write what the vision encoder makes of every scene of the calls that have a camera.

    Args:
        model: With the trained vision encoder.
        folder: Where ``vectors.npz`` goes.
        seeds: Of the calls.
    """
    arrays: dict[str, np.ndarray] = {}
    for seed in seeds:
        script, _ = training_call(seed)
        if script.look is None:
            continue
        slices = []
        for index, scene in enumerate(scenes_of(script)):
            frame = render(
                scene,
                script.look,
                script.style_seed,
                colours=script.colours,
                frame_index=index,
                size=SIZE,
            )
            slices += slice_image(frame, model.config, UNIT_SLICES).slices
        vectors = np.stack([each.float().numpy() for each in model.encode_images(slices)])
        arrays[str(seed)] = vectors.astype(np.float16)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / VECTORS_FILE, **arrays)  # type: ignore[arg-type]


def encode_quiz_pictures(model: OmniModel, folder: Path, count: int = N_QUIZ_PICTURES) -> None:
    """Write what the vision encoder makes of the first quiz scenes.

    Args:
        model: With the trained vision encoder.
        folder: Where ``quiz.npz`` goes.
        count: Scenes.
    """
    vectors = []
    for number in range(count):
        quiz = quiz_scene(number)
        frame = render(quiz.scene, quiz.look, quiz.style_seed, size=SIZE)
        slices = slice_image(frame, model.config, UNIT_SLICES).slices
        vectors += [each.float().numpy().astype(np.float16) for each in model.encode_images(slices)]
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / QUIZ_FILE, vectors=np.stack(vectors))


def record_references(folder: Path) -> None:
    """Write the recordings of the reply voices that system prompts play."""
    speak = SpeechSynthesizer().speak
    folder.mkdir(parents=True, exist_ok=True)
    clips = {
        f"{voice.number}-{index}": reference_clip(voice, text, speak).samples
        for voice in REPLY_VOICES
        for index, text in enumerate(TRAINING_REFERENCES)
    }
    np.savez(folder / REFERENCES_FILE, **clips)  # type: ignore[arg-type]


def record_voices(folder: Path) -> None:
    """Write a recording of each reply voice, ``NAME.flac``: one that training played, too."""
    import soundfile  # here, as in model/voices.py

    speak = SpeechSynthesizer().speak
    folder.mkdir(parents=True, exist_ok=True)
    for voice in REPLY_VOICES:
        clip = reference_clip(voice, TRAINING_REFERENCES[0], speak)
        file = folder / f"{voice.name}.flac"
        soundfile.write(file, clip.samples, PROMPT_HZ, subtype="PCM_16")


@cache
def _references() -> tuple[tuple[np.ndarray, ...], ...]:
    with np.load(training_folder() / "references" / REFERENCES_FILE) as stored:
        return tuple(
            tuple(stored[f"{voice.number}-{i}"] for i in range(len(TRAINING_REFERENCES)))
            for voice in REPLY_VOICES
        )


@cache
def _pictures() -> Mapping[int, np.ndarray]:
    with np.load(training_folder() / "vectors" / VECTORS_FILE) as stored:
        return {int(name): stored[name] for name in stored.files}


@cache
def _quiz_pictures() -> tuple[Picture, ...]:
    with np.load(training_folder() / "vectors" / QUIZ_FILE) as stored:
        return tuple(
            Picture(quiz_scene(number).scene, vectors)
            for number, vectors in enumerate(stored["vectors"])
        )


@cache
def _sounds() -> Mapping[str, EncodedTurn]:
    return read_calls(training_folder() / SOUNDS_FOLDER)


def _data(
    seed: int,
    kinds: Mapping[str, Kind],
    sounds: Mapping[str, EncodedTurn],
    pictures: Mapping[int, np.ndarray],
    quiz_pictures: Sequence[Picture] = (),
) -> TrainingData:
    batches = CallBatches(
        seed=seed,
        material=CallMaterial(CALLS, sounds, pictures, quiz_pictures),
        references=_references(),
        kinds=kinds,
    )
    return TrainingData(batches, n_voices=N_STYLES)


def words(seed: int) -> TrainingData:
    """Typed talk alone: the language model's first data."""
    return _data(seed, WORDS_ONLY, {}, {})


def hearing(seed: int) -> TrainingData:
    """Typed and spoken calls without pictures."""
    return _data(seed, HEARING, _sounds(), {})


def skills(seed: int) -> TrainingData:
    """Typed questions about pictures, one skill after another."""
    return TrainingData(
        SkillBatches(seed, CallMaterial(CALLS, _sounds(), _pictures(), _quiz_pictures()))
    )


def calls(seed: int) -> TrainingData:
    """Everything a call has."""
    return _data(seed, KINDS, _sounds(), _pictures(), _quiz_pictures())
