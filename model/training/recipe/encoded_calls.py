"""The sound of training calls as a trained audio encoder hears it: made once, learnt from often.

Mixing and encoding a call's sound takes longer than the language model's step on it. The encoder is
not trained in the joint stage, so that what it makes of a call can be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from model.omni import OmniModel
from model.training.dense_audio import encode_contexts, unit_mel
from model.training.domain.call_script import CallScript, CallTurn, compose_call
from model.training.domain.exchange import Split
from model.training.recipe.questions import training_call
from model.training.scenes.scene import Scene
from model.training.speech_data.call_audio import Caller, turn_timeline
from model.training.speech_data.clips import Clip
from model.training.speech_data.synthesis import SpeechRequest

SOUNDS_FILE = "sounds-{first:05d}.npz"
NO_SCENE = -1


@dataclass(frozen=True, slots=True)
class EncodedTurn:
    """What one turn of a call sounds like to the language model, and what is seen meanwhile."""

    units: tuple[np.ndarray, ...]
    """Float16 ``[n, E]`` each; empty where there is only a picture."""
    shown: tuple[int, ...]
    """Of each unit, which of the call's scenes is its picture, or ``NO_SCENE``."""
    heard_s: np.ndarray
    """Float32 ``[len(spoken), 2]``: when each character of the words is heard."""


@cache
def typed_again(seed: int) -> CallScript:
    """The training call of a seed with all questions typed."""
    return compose_call(seed, Split.TRAIN, manner="typed")


def scenes_of(script: CallScript) -> list[Scene]:
    """Everything a call shows, each once, in the order in which it is shown."""
    scenes = [
        scene
        for turn in script.turns
        for scene in (*(second.scene for second in turn.lead), turn.scene)
        if scene is not None
    ]
    return list(dict.fromkeys(scenes))


def name_of(seed: int, turn: int, *, typed: bool = False) -> str:
    """Under which a turn is kept."""
    return f"{seed}{'t' if typed else ''}.{turn}"


def encode_calls(
    model: OmniModel, folder: Path, seeds: range, speak: Callable[[SpeechRequest], Clip]
) -> None:
    """Write what the audio encoder makes of training calls, unless their file is there; of those
    with a camera, of the same call with typed questions, too.

    Args:
        model: With the trained audio encoder and projection.
        folder: Where the file of these calls goes.
        seeds: Of the calls.
        speak: Finds a question's clip.
    """
    path = folder / SOUNDS_FILE.format(first=seeds.start)
    if path.exists():
        return
    arrays: dict[str, np.ndarray] = {}
    for seed in seeds:
        script, caller = training_call(seed)
        scripts = {False: script} | ({True: typed_again(seed)} if script.look else {})
        for typed, held in scripts.items():
            rng = np.random.default_rng([seed, typed, 3])
            for index, turn in enumerate(_encoded(model, held, caller, speak, rng)):
                name = name_of(seed, index, typed=typed)
                arrays[name] = np.concatenate([*turn.units, _nothing(model)])
                arrays[f"{name} sizes"] = np.array([len(unit) for unit in turn.units], np.int16)
                arrays[f"{name} shown"] = np.array(turn.shown, np.int16)
                arrays[f"{name} times"] = turn.heard_s
    folder.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".part")
    with scratch.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    scratch.replace(path)


def read_calls(folder: Path) -> Mapping[str, EncodedTurn]:
    """All turns that :func:`encode_calls` wrote, by :func:`name_of`."""
    turns = {}
    for path in sorted(folder.glob("sounds-*.npz")):
        with np.load(path) as stored:
            for name in stored.files:
                if " " in name:
                    continue
                ends = np.cumsum(stored[f"{name} sizes"], dtype=int)
                units = np.split(stored[name], ends)[:-1]
                shown = tuple(int(index) for index in stored[f"{name} shown"])
                turns[name] = EncodedTurn(tuple(units), shown, stored[f"{name} times"])
    return turns


def _encoded(
    model: OmniModel,
    script: CallScript,
    caller: Caller,
    speak: Callable[[SpeechRequest], Clip],
    rng: np.random.Generator,
) -> Iterator[EncodedTurn]:
    scenes = scenes_of(script)
    laid_out = [_laid_out(turn, caller, speak, rng) for turn in script.turns]
    contexts = [[u for u in samples if u.size] for samples, _, _ in laid_out]
    mels = [[unit_mel(u, model.device) for u in context] for context in contexts if context]
    encoded = iter(encode_contexts(model.apm, mels) if mels else ())
    frames = [unit for context in encoded for unit in context]
    vectors = iter(model.audio_projection_layer(frames) if frames else ())
    for samples, shown, times_s in laid_out:
        units = tuple(
            next(vectors).numpy().astype(np.float16) if u.size else _nothing(model) for u in samples
        )
        seen = tuple(NO_SCENE if scene is None else scenes.index(scene) for scene in shown)
        yield EncodedTurn(units, seen, times_s)


def _laid_out(
    turn: CallTurn,
    caller: Caller,
    speak: Callable[[SpeechRequest], Clip],
    rng: np.random.Generator,
) -> tuple[Sequence[np.ndarray], Sequence[Scene | None], np.ndarray]:
    timeline, shown = turn_timeline(turn, caller, speak, rng)
    units = timeline.units(shown)
    times_s = timeline.char_times_s(turn.spoken)
    return [unit.samples for unit in units], [unit.image for unit in units], times_s


def _nothing(model: OmniModel) -> np.ndarray:
    return np.zeros((0, model.config.language.hidden_size), np.float16)
