"""Units, messages and system prompts on their way into the history."""

from __future__ import annotations

import pytest

from model.omni import OmniModel
from server.config import ContextConfig
from server.engine.interface import (
    CommandRejected,
    Evicted,
    ImageFrame,
    InputUnit,
    Opened,
    Prefill,
    SessionSpec,
    TextMessage,
    UnitPrefilled,
)
from server.engine.scheduler import Stage
from tests.fakes.stepped_engine import SteppedEngine, sound, unit
from tests.server.engine.conftest import tiny_config

pytestmark = pytest.mark.unit

SMALL = ContextConfig(capacity_tokens=600, high_tokens=400, low_tokens=250)


def test_bad_content_costs_its_command_and_nothing_else(engine: SteppedEngine) -> None:
    engine.open("a")
    engine.send(
        Prefill("a", InputUnit(0, b"\x00")),
        Prefill("a", InputUnit(1, sound(1), ImageFrame(4, 4, b"short"))),
        unit(2),
    )
    engine.settle()
    assert [event.unit_index for event in engine.said(CommandRejected)] == [0, 1]
    assert [event.unit_index for event in engine.said(UnitPrefilled)] == [2]


def test_a_frame_is_encoded_and_takes_its_place_in_the_unit(engine: SteppedEngine) -> None:
    engine.open("a", SessionSpec(mode="omni"))
    grey = ImageFrame(64, 48, bytes(64 * 48 * 3))
    engine.send(unit(0, image=grey))
    engine.settle()
    assert engine.batches(Stage.ENCODE_IMAGES) == [("a",)]
    opening = engine.parts.model.tokenizer.encode("<|im_start|>user\n")
    # <unit>, 64 vectors between <image> and </image>, 25 of audio between their two.
    assert engine.said(UnitPrefilled)[0].n_tokens == len(opening) + 1 + 66 + 27


def test_typed_messages_of_every_role_enter_the_history(engine: SteppedEngine) -> None:
    engine.open("a")
    for role in ("user", "system", "assistant", "user"):
        engine.send(Prefill("a", TextMessage(role, "one two")))
    engine.settle()
    done = engine.said(UnitPrefilled)
    assert [event.unit_index for event in done] == [None] * 4
    assert all(event.n_tokens > 0 for event in done)


def test_a_voice_is_part_of_the_system_prompt(engine: SteppedEngine) -> None:
    engine.open("a", SessionSpec(mode="audio", voice_pcm=sound(5) + sound(6)))
    engine.open("b", SessionSpec(mode="audio"))
    with_voice, without = engine.said(Opened)
    assert with_voice.n_tokens > without.n_tokens + 50
    assert engine.parts.state.audio.lengths == [0, 0]


def test_what_cannot_fit_even_an_empty_context_is_refused(tiny_model: OmniModel) -> None:
    engine = SteppedEngine(tiny_model, tiny_config(context=SMALL))
    engine.open("a")
    engine.send(unit(0))
    engine.settle()
    before = engine.length
    engine.send(Prefill("a", TextMessage("user", "far too long " * 200)))
    engine.settle()
    assert engine.said(CommandRejected)[0].code == "context_full"
    assert engine.length == before and engine.said(Evicted) == []
    engine.send(unit(1))
    engine.settle()
    assert engine.said(UnitPrefilled)[-1].n_tokens == 27


def test_a_refused_message_does_not_open_a_turn(tiny_model: OmniModel) -> None:
    engine = SteppedEngine(tiny_model, tiny_config(context=SMALL))
    engine.open("a")
    engine.send(Prefill("a", TextMessage("user", "far too long " * 200)), unit(0))
    engine.settle()
    opening = engine.parts.model.tokenizer.encode("<|im_start|>user\n")
    assert engine.said(UnitPrefilled)[0].n_tokens == len(opening) + 27
