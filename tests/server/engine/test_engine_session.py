"""Order of a session's commands, marks, rewinds, resets, eviction and bounded queues."""

from __future__ import annotations

import pytest

from model.omni import OmniModel
from model.prompt import SPEECH_HEADER, TURN_END
from server.config import ContextConfig, EngineConfig
from server.engine.interface import (
    Cancel,
    CommandRejected,
    Evicted,
    Open,
    Opened,
    Reset,
    Respond,
    ResponseDone,
    ResponseSpec,
    ResponseStatus,
    Rewind,
    Rewound,
    SessionSpec,
    TextChunk,
    UnitPrefilled,
    WasReset,
)
from tests.fakes.stepped_engine import GREEDY, SteppedEngine, unit
from tests.server.engine.conftest import tiny_config

pytestmark = pytest.mark.unit

TEXT_ONLY = ResponseSpec(audio=False, max_output_tokens=6, sampling=GREEDY)


def answer(engine: SteppedEngine, response_id: str) -> str:
    """The text of a greedy response to what is in the history."""
    before = len(engine.said(TextChunk))
    engine.send(Respond("a", response_id, TEXT_ONLY))
    engine.settle()
    return "".join(event.text for event in engine.said(TextChunk)[before:])


def test_prefill_waits_for_the_response_before_it(engine: SteppedEngine) -> None:
    engine.open("a")
    engine.send(unit(0), Respond("a", "r", TEXT_ONLY), unit(1))
    engine.settle()
    kinds = [type(event) for event in engine.events if not isinstance(event, TextChunk)]
    assert kinds == [Opened, UnitPrefilled, ResponseDone, UnitPrefilled]


def test_rewinding_to_a_mark_gives_the_same_answer_again(engine: SteppedEngine) -> None:
    engine.open("a")
    engine.send(unit(0))
    mark = engine.until(UnitPrefilled).mark
    engine.settle()
    first_length, first = engine.length, answer(engine, "r1")
    engine.send(Rewind("a", mark))
    engine.settle()
    assert engine.said(Rewound) == [Rewound("a", mark)]
    assert engine.length == first_length
    assert answer(engine, "r2") == first != ""


def test_a_rewound_history_continues_as_if_it_had_never_gone_on(
    tiny_model: OmniModel,
) -> None:
    straight, detour = (SteppedEngine(tiny_model, tiny_config()) for _ in range(2))
    for engine in (straight, detour):
        engine.open("a")
        engine.send(unit(0))
        engine.settle()
    detour.send(Respond("a", "r", TEXT_ONLY))
    detour.settle()
    detour.send(Rewind("a", detour.said(UnitPrefilled)[0].mark))
    for engine in (straight, detour):
        engine.send(unit(1))
        engine.settle()
    assert straight.said(UnitPrefilled)[-1].n_tokens == detour.said(UnitPrefilled)[-1].n_tokens
    n = straight.length
    rows = [engine.parts.state.language.keys[:, 0, :, :n] for engine in (straight, detour)]
    assert (rows[0] - rows[1]).abs().max() < 1e-5
    assert straight.parts.state.audio.lengths == detour.parts.state.audio.lengths


def test_a_mark_inside_a_response_keeps_what_was_said_up_to_it(engine: SteppedEngine) -> None:
    engine.let_say(None)
    engine.open("a")
    engine.send(unit(0), Respond("a", "r", TEXT_ONLY))
    engine.settle()
    chunks = engine.said(TextChunk)
    full = engine.length
    engine.send(Rewind("a", chunks[1].mark))
    engine.settle()
    kept = engine.length
    assert kept < full
    engine.send(unit(1))
    engine.settle()
    # The last token said is fed now, before what closes an answer that was cut short.
    opening = engine.parts.model.tokenizer.encode("<|tts_eos|><|im_end|>\n<|im_start|>user\n")
    assert engine.said(UnitPrefilled)[-1].n_tokens == 1 + len(opening) + 27


def test_the_last_token_of_a_response_cut_by_its_limit_leads_the_next_prefill(
    engine: SteppedEngine,
) -> None:
    engine.let_say(None)
    engine.open("a")
    engine.send(unit(0), Respond("a", "r", TEXT_ONLY))
    engine.settle()
    (done,) = engine.said(ResponseDone)
    assert (done.status, done.reason) == (ResponseStatus.INCOMPLETE, "max_output_tokens")
    prompt = len(engine.parts.model.tokenizer.encode(TURN_END + SPEECH_HEADER))
    in_cache = engine.length - engine.said(UnitPrefilled)[0].context_tokens
    assert in_cache == prompt + TEXT_ONLY.max_output_tokens - 1
    engine.send(unit(1))
    engine.settle()
    opening = engine.parts.model.tokenizer.encode("<|tts_eos|><|im_end|>\n<|im_start|>user\n")
    assert engine.said(UnitPrefilled)[-1].n_tokens == 1 + len(opening) + 27


def test_a_completed_response_is_closed_by_the_next_prefill(engine: SteppedEngine) -> None:
    engine.let_say("so it is")
    engine.open("a")
    engine.send(unit(0), Respond("a", "r", ResponseSpec(audio=False)))
    engine.settle()
    tokenizer = engine.parts.model.tokenizer
    (done,) = engine.said(ResponseDone)
    assert (done.status, engine.text("a")) == (ResponseStatus.COMPLETED, "so it is")
    words = tokenizer.encode("so it is")
    assert done.usage.text_tokens == len(words) + 1
    # Every word is in the cache, the terminator is not.
    prompt = tokenizer.encode(TURN_END + SPEECH_HEADER)
    in_cache = engine.length - engine.said(UnitPrefilled)[0].context_tokens
    assert in_cache == len(prompt) + len(words)
    engine.send(unit(1))
    engine.settle()
    opening = tokenizer.encode("<|im_end|>\n<|im_start|>user\n")
    assert engine.said(UnitPrefilled)[-1].n_tokens == len(opening) + 27


def test_rewinding_expires_later_marks(engine: SteppedEngine) -> None:
    engine.open("a")
    engine.send(unit(0), unit(1))
    engine.settle()
    first, second = (event.mark for event in engine.said(UnitPrefilled))
    engine.send(Rewind("a", first), Rewind("a", second))
    engine.settle()
    (rejected,) = engine.said(CommandRejected)
    assert (rejected.command, rejected.code) == ("Rewind", "mark_expired")
    assert engine.length == engine.said(UnitPrefilled)[0].context_tokens


def test_a_mark_whose_audio_context_was_overwritten_has_expired(engine: SteppedEngine) -> None:
    engine.open("a")
    engine.send(unit(0), Respond("a", "r", TEXT_ONLY), unit(1))
    engine.settle()
    before, after = (event.mark for event in engine.said(UnitPrefilled))
    engine.send(Rewind("a", before))
    engine.settle()
    assert "audio context" in engine.said(CommandRejected)[0].message
    engine.send(Rewind("a", after))
    engine.settle()
    assert len(engine.said(Rewound)) == 1


def test_a_reset_leaves_the_system_prompt_alone(engine: SteppedEngine) -> None:
    engine.open("a")
    fresh = engine.length
    engine.send(unit(0))
    engine.settle()
    first = answer(engine, "r1")
    mark = engine.said(UnitPrefilled)[0].mark
    engine.send(Reset("a"))
    engine.settle()
    assert engine.length == fresh
    engine.send(Rewind("a", mark), unit(0))
    engine.settle()
    assert engine.said(CommandRejected)[0].code == "mark_expired"
    assert answer(engine, "r2") == first


def test_a_reset_stops_and_drops_everything_before_it(engine: SteppedEngine) -> None:
    engine.open("a")
    engine.send(Respond("a", "r1", TEXT_ONLY))
    engine.until(TextChunk)
    engine.send(unit(0), Respond("a", "r2", TEXT_ONLY), Rewind("a", 1), Reset("a"), unit(1))
    engine.settle()
    done = engine.said(ResponseDone)
    assert [(event.response_id, event.status) for event in done] == [
        ("r1", ResponseStatus.CANCELLED),
        ("r2", ResponseStatus.CANCELLED),
    ]
    assert len(engine.said(WasReset)) == 1
    assert [event.unit_index for event in engine.said(UnitPrefilled)] == [1]


def test_a_reset_between_the_stages_of_a_unit_drops_it(engine: SteppedEngine) -> None:
    engine.open("a")
    engine.send(unit(0))
    engine.worker.tick()
    engine.worker.tick()
    engine.send(Reset("a"))
    engine.settle()
    assert engine.said(UnitPrefilled) == []
    engine.send(unit(0))
    engine.settle()
    assert len(engine.said(UnitPrefilled)) == 1


def test_a_reset_while_opening_waits_for_the_system_prompt(engine: SteppedEngine) -> None:
    engine.send(Open("a", SessionSpec(mode="audio")), unit(0), Reset("a"))
    engine.settle()
    assert [type(event) for event in engine.events] == [Opened, WasReset]


def test_what_comes_after_a_reset_that_waits_for_the_opening_is_kept(
    engine: SteppedEngine,
) -> None:
    engine.send(Open("a", SessionSpec()), unit(0), Reset("a"), Reset("a"), unit(1))
    engine.settle()
    told = [event for event in engine.events if isinstance(event, WasReset | UnitPrefilled)]
    assert [type(event) for event in told] == [WasReset, WasReset, UnitPrefilled]
    assert isinstance(told[2], UnitPrefilled) and told[2].unit_index == 1


def test_rewind_stops_the_running_response_first(engine: SteppedEngine) -> None:
    engine.open("a")
    engine.send(unit(0))
    mark = engine.until(UnitPrefilled).mark
    engine.send(Respond("a", "r", TEXT_ONLY))
    engine.until(TextChunk)
    engine.send(Rewind("a", mark))
    engine.settle()
    assert engine.said(ResponseDone)[0].status is ResponseStatus.CANCELLED
    assert isinstance(engine.events[-1], Rewound)
    assert engine.length == engine.said(UnitPrefilled)[0].context_tokens


def test_cancelling_a_response_that_waits_takes_it_out_of_the_queue(
    engine: SteppedEngine,
) -> None:
    engine.open("a")
    engine.send(unit(0), Respond("a", "r", TEXT_ONLY), Cancel("a", "r"), Cancel("a", "other"))
    engine.settle()
    assert engine.said(TextChunk) == []
    assert engine.said(ResponseDone)[0].status is ResponseStatus.CANCELLED
    assert len(engine.said(UnitPrefilled)) == 1


def test_units_beyond_the_bound_are_refused_and_nothing_waiting_is_dropped(
    tiny_model: OmniModel,
) -> None:
    config = tiny_config(engine=EngineConfig(max_pending_units=3))
    engine = SteppedEngine(tiny_model, config)
    engine.open("a")
    engine.send(*(unit(index) for index in range(6)))
    engine.settle()
    rejected = engine.said(CommandRejected)
    assert {event.code for event in rejected} == {"engine_overloaded"}
    assert [event.unit_index for event in rejected] == [3, 4, 5]
    assert [event.unit_index for event in engine.said(UnitPrefilled)] == [0, 1, 2]


def test_responses_beyond_the_bound_are_refused(engine: SteppedEngine) -> None:
    engine.open("a")
    engine.send(*(Respond("a", f"r{n}", TEXT_ONLY) for n in range(40)))
    engine.worker.tick()
    refused = engine.said(ResponseDone)
    assert len(refused) == 24 and all(e.status is ResponseStatus.FAILED for e in refused)
    engine.settle()
    assert len(engine.said(ResponseDone)) == 40


SMALL = ContextConfig(capacity_tokens=600, high_tokens=400, low_tokens=250)


def test_a_long_call_forgets_its_oldest_units_and_keeps_going(tiny_model: OmniModel) -> None:
    engine = SteppedEngine(tiny_model, tiny_config(context=SMALL))
    engine.open("a")
    system = engine.length
    keys = engine.parts.state.language.keys[:, 0, :, :system].clone()
    for index in range(40):
        engine.send(unit(index))
        engine.settle()
    done = engine.said(UnitPrefilled)
    assert len(done) == 40
    assert max(event.context_tokens for event in done) <= SMALL.high_tokens
    evicted = engine.said(Evicted)
    assert evicted and all(event.n_tokens % 27 == 0 for event in evicted)
    assert (engine.parts.state.language.keys[:, 0, :, :system] == keys).all()
    assert answer(engine, "r") != ""


def test_marks_of_evicted_units_expire_and_younger_ones_still_work(
    tiny_model: OmniModel,
) -> None:
    engine = SteppedEngine(tiny_model, tiny_config(context=SMALL))
    engine.open("a")
    while not engine.said(Evicted):
        engine.send(unit(len(engine.said(UnitPrefilled))))
        engine.settle()
    done = engine.said(UnitPrefilled)
    before_last = done[-2]
    shift = before_last.context_tokens + done[-1].n_tokens - done[-1].context_tokens
    engine.send(Rewind("a", done[0].mark), Rewind("a", before_last.mark))
    engine.settle()
    assert engine.said(CommandRejected)[0].code == "mark_expired"
    assert engine.said(Rewound) == [Rewound("a", before_last.mark)]
    assert engine.length == before_last.context_tokens - shift


def test_a_response_that_fills_the_row_ends_incomplete(tiny_model: OmniModel) -> None:
    engine = SteppedEngine(tiny_model, tiny_config(context=SMALL))
    engine.let_say(None)
    engine.open("a")
    engine.send(Respond("a", "r", ResponseSpec(False, 4000, GREEDY)))
    engine.settle()
    (done,) = engine.said(ResponseDone)
    assert (done.status, done.reason) == (ResponseStatus.INCOMPLETE, "context_full")
    assert engine.length == SMALL.capacity_tokens
    engine.send(unit(0))
    engine.settle()
    assert len(engine.said(UnitPrefilled)) == 1
