"""Sessions share batches without hearing of each other."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from model.omni import OmniModel
from server.engine.interface import (
    Respond,
    ResponseDone,
    ResponseSpec,
    ResponseStatus,
    SamplingSpec,
)
from server.engine.scheduler import Stage
from server.engine.stages import NotFiniteError
from tests.fakes.stepped_engine import GREEDY, SteppedEngine
from tests.server.engine.conftest import tiny_config

pytestmark = pytest.mark.unit

SPEAK = ResponseSpec(sampling=GREEDY)
LONG = "the thing is this you can see it and the voice is in the assistant so we do it and you see"


def test_two_calls_at_once_give_exactly_what_each_gives_alone(tiny_model: OmniModel) -> None:
    spec = replace(SPEAK, max_output_tokens=40)
    engines = []
    for names in ("ab", "a", "b"):
        engine = SteppedEngine(tiny_model, tiny_config())
        engine.let_say(None)
        engine.ask(spec, names)
        engine.settle()
        engines.append(engine)
    together, *alone = engines
    for stage in (Stage.PREFILL, Stage.DECODE_TEXT, Stage.DECODE_SPEECH):
        assert ("a", "b") in together.batches(stage)
    for name, engine in zip("ab", alone, strict=True):
        assert together.text(name) == engine.text(name) != ""
        assert together.pcm(name) == engine.pcm(name) != b""
    assert together.pcm("a") != together.pcm("b")


def test_a_seed_makes_a_sampled_response_reproducible_also_in_company(
    tiny_model: OmniModel,
) -> None:
    spec = ResponseSpec(max_output_tokens=20, sampling=SamplingSpec(seed=7))
    spoken = []
    for names in ("a", "ab", "a"):
        engine = SteppedEngine(tiny_model, tiny_config())
        engine.ask(spec, names)
        engine.settle()
        spoken.append((engine.text("a"), engine.pcm("a")))
    assert spoken[0] == spoken[1] == spoken[2]


def test_output_that_is_not_finite_fails_its_response_and_no_other(engine: SteppedEngine) -> None:
    engine.let_say(LONG)
    engine.ask(SPEAK, "ab")
    before = engine.length
    broken = engine.parts.state.language.keys[:, 0, :, :5]
    kept = broken.clone()
    with torch.inference_mode():
        broken.fill_(float("nan"))
    engine.settle()
    done = {event.session_id: event for event in engine.said(ResponseDone)}
    assert done["a"].status is ResponseStatus.FAILED
    assert done["a"].reason is not None and NotFiniteError.code in done["a"].reason
    assert done["a"].mark is None and engine.length == before
    assert done["b"].status is ResponseStatus.COMPLETED
    with torch.inference_mode():
        broken.copy_(kept)
    engine.send(Respond("a", "again", SPEAK))
    engine.settle()
    assert engine.said(ResponseDone, "a")[-1].status is ResponseStatus.COMPLETED
