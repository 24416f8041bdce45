"""What the model remembers, whatever is taken back."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.engine.interface import (
    Cancel,
    Command,
    CommandRejected,
    InputUnit,
    Prefill,
    Reset,
    Respond,
    ResponseStatus,
    Rewind,
    TextMessage,
    UnitPrefilled,
)
from server.errors import ProtocolError
from server.media.pcm import MODEL_HZ
from server.session.events import (
    AudioCleared,
    HistoryReset,
    ResponseFinished,
    ResponseText,
    TurnEnded,
)
from server.session.history import MAX_ENTRIES, History
from server.session.states import SessionState
from tests.fakes.fake_engine import FakeEngine, reply
from tests.fakes.scripted_call import (
    LOUD,
    ScriptedCall,
    call_to,
    calls_to,
    config_with,
    detected,
    manual,
    tone,
)
from tests.virtual_time import run_virtual, virtual_time

pytestmark = pytest.mark.unit


@virtual_time
async def test_cleared_audio_is_forgotten_and_messages_stay() -> None:
    engine = FakeEngine(open_s=0.5, prefill_s=0.3)
    async with call_to(engine, manual()) as call:
        await call.say(1.2)
        call.session.add_message(TextMessage("user", "stay"))
        await call.say(1.2)
        call.session.clear()
        await call.until(AudioCleared)
        await call.say(0.5)
        call.session.commit()
        await asyncio.sleep(3.0)
        message, unit = engine.remembered(call.session.id)
        assert message == TextMessage("user", "stay")
        assert isinstance(unit, InputUnit) and len(unit.audio_pcm) == 16_000
        with pytest.raises(ProtocolError):
            call.session.commit()


@virtual_time
async def test_clearing_before_the_engine_has_answered_forgets_all_the_same() -> None:
    engine = FakeEngine(open_s=1.0)
    async with call_to(engine, manual()) as call:
        call.session.append_audio(tone(2.5), 16_000)
        call.session.clear()
        call.session.append_audio(tone(1.0), 16_000)
        await asyncio.sleep(3.0)
        assert len(engine.remembered(call.session.id)) == 1


@virtual_time
async def test_clearing_does_not_forget_committed_audio() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        await call.say(1.5)
        call.session.commit()
        await call.say(0.5)
        call.session.clear()
        await asyncio.sleep(1.0)
        assert len(engine.remembered_audio(call.session.id)) == 2 * MODEL_HZ * 1.5


@virtual_time
async def test_a_detected_turn_can_be_cleared() -> None:
    engine = FakeEngine()
    async with call_to(engine, detected("omni")) as call:
        await call.be_silent(2.0)
        await call.say(1.6)
        call.session.clear()
        await call.be_silent(2.0)
        assert call.one(AudioCleared)
        assert not call.all_of(TurnEnded)
        assert engine.remembered_audio(call.session.id) == bytes(2 * MODEL_HZ * 4)


@virtual_time
async def test_a_reset_forgets_the_call_and_the_call_goes_on() -> None:
    engine = FakeEngine([reply("One", 0.5, " two", 0.5, every_s=0.5)])
    async with call_to(engine, manual()) as call:
        await call.ask()
        await asyncio.sleep(1.2)
        call.session.reset()
        await call.until(HistoryReset)
        finished = call.one(ResponseFinished)
        assert (finished.status, finished.reason) == (ResponseStatus.CANCELLED, "session_reset")
        assert engine.remembered(call.session.id) == []
        assert len(engine.submitted(call.session.id, Reset)) == 1
        await call.ask()
        await call.until(ResponseFinished, 2)
        assert len(engine.remembered(call.session.id)) == 3


@virtual_time
async def test_a_response_asked_for_right_after_a_reset_is_not_lost() -> None:
    engine = FakeEngine(open_s=0.5)
    async with call_to(engine, manual()) as call:
        call.session.append_audio(tone(2.0), 16_000)
        call.session.reset()
        call.session.append_audio(tone(1.0), 16_000)
        call.session.commit()
        response_id = call.session.respond()
        finished = await call.until(ResponseFinished)
        assert (finished.response_id, finished.status) == (response_id, ResponseStatus.COMPLETED)
        assert len(engine.remembered_audio(call.session.id)) == 2 * MODEL_HZ


@virtual_time
async def test_a_reset_before_the_first_input_needs_no_engine() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        call.session.reset()
        await call.until(HistoryReset)
        assert engine.commands == []
        assert call.session.state is SessionState.CONNECTING


@virtual_time
async def test_two_sessions_do_not_touch_each_other() -> None:
    engine = FakeEngine(lambda number: [reply(f"I am {number}", 0.5)])
    async with calls_to(engine, manual(), manual()) as (first, second):
        await asyncio.gather(first.say(1.0), second.say(1.0, amplitude=LOUD // 2))
        for call in (first, second):
            call.session.commit()
            call.session.respond()
            await call.until(ResponseFinished)
        assert first.one(ResponseText).text == "I am 0"
        assert second.one(ResponseText).text == "I am 1"
        remembered = engine.remembered(second.session.id)
        first.session.reset()
        await first.until(HistoryReset)
        assert engine.remembered(first.session.id) == []
        assert engine.remembered(second.session.id) == remembered
        assert not second.all_of(HistoryReset)


# --- the history alone


class RecordingEngine:
    """Takes commands and answers nothing by itself."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.refuses = False

    def submit(self, command: Command) -> bool:
        """Note a command; False where the test refuses."""
        if not self.refuses:
            self.commands.append(command)
        return not self.refuses

    def take(self) -> list[Command]:
        """The commands since the last call."""
        taken, self.commands = self.commands, []
        return taken


def unit(index: int) -> InputUnit:
    """A second of audio."""
    return InputUnit(index, bytes(32_000))


def prefilled(index: int | None, mark: int) -> UnitPrefilled:
    """The engine's answer to a unit."""
    return UnitPrefilled("s", index, mark, 1, 1, 0.0, 0.0, False)


def history_of(engine: RecordingEngine, *, opened: bool = True) -> History:
    """A history, with the system prompt at mark 1."""
    history = History("s", engine.submit, 3.0)
    if opened:
        history.on_opened(1)
    return history


def test_a_rewind_waits_for_the_mark_it_goes_back_to_and_everything_else_for_the_rewind() -> None:
    engine = RecordingEngine()
    history = history_of(engine, opened=False)
    history.prefill(unit(0), is_committed=False)
    history.clear_uncommitted()
    history.prefill(unit(1), is_committed=False)
    assert engine.take() == [Prefill("s", unit(0))]
    history.on_opened(1)
    assert engine.take() == [Rewind("s", 1)]
    assert history.on_prefilled(prefilled(0, 2))
    history.on_rewound()
    assert engine.take() == [Prefill("s", unit(1))]


def test_a_second_clear_while_the_first_is_under_way_forgets_more() -> None:
    engine = RecordingEngine()
    history = history_of(engine)
    history.prefill(unit(0), is_committed=False)
    history.prefill(TextMessage("user", "stay"), is_committed=True)
    history.clear_uncommitted()
    history.prefill(unit(1), is_committed=False)
    history.clear_uncommitted()
    history.on_prefilled(prefilled(0, 2))
    history.on_prefilled(prefilled(None, 3))
    history.on_rewound()
    assert engine.take()[2:] == [Rewind("s", 1), Prefill("s", TextMessage("user", "stay"))]


def test_a_second_truncation_while_the_first_is_under_way_keeps_what_came_after() -> None:
    engine = RecordingEngine()
    history = history_of(engine)
    history.respond(Respond("s", "r"))
    history.on_response_done("r", 5)
    history.prefill(unit(0), is_committed=True)
    history.on_prefilled(prefilled(0, 6))
    history.shorten("r", 4)
    history.shorten("r", 3)
    history.on_rewound()
    history.on_rewound()
    assert engine.take()[2:] == [Rewind("s", 4), Rewind("s", 3), Prefill("s", unit(0))]


def test_what_is_committed_while_a_rewind_is_under_way_cannot_be_cleared() -> None:
    engine = RecordingEngine()
    history = history_of(engine)
    history.respond(Respond("s", "r"))
    history.on_response_done("r", 5)
    history.prefill(unit(0), is_committed=False)
    history.on_prefilled(prefilled(0, 6))
    history.shorten("r", 4)
    history.commit()
    history.clear_uncommitted()
    history.on_rewound()
    assert engine.take()[-2:] == [Rewind("s", 4), Prefill("s", unit(0))]
    assert not history.on_prefilled(prefilled(0, 7))


def test_a_rejected_rewind_changes_nothing() -> None:
    engine = RecordingEngine()
    history = history_of(engine)
    history.respond(Respond("s", "r"))
    history.on_response_done("r", 5)
    history.prefill(unit(0), is_committed=True)
    history.on_prefilled(prefilled(0, 6))
    history.shorten("r", 4)
    history.on_rejected(CommandRejected("s", "Rewind", "mark_expired", "gone"))
    history.prefill(unit(1), is_committed=True)
    assert engine.take()[1:] == [Prefill("s", unit(0)), Rewind("s", 4), Prefill("s", unit(1))]


def test_a_response_is_cancelled_even_where_the_rewind_is_rejected() -> None:
    engine = RecordingEngine()
    history = history_of(engine)
    history.respond(Respond("s", "r"))
    history.shorten("r", 3)
    history.on_rejected(CommandRejected("s", "Rewind", "mark_expired", "gone"))
    assert engine.take()[1:] == [Rewind("s", 3), Cancel("s", "r")]
    history.on_response_done("r", None)
    assert not history.can_shorten("r")


def test_a_response_that_waits_behind_a_rewind_is_cancelled_without_the_engine() -> None:
    engine = RecordingEngine()
    history = history_of(engine, opened=False)
    history.prefill(unit(0), is_committed=False)
    history.clear_uncommitted()
    history.respond(Respond("s", "r"))
    assert not history.cancel("r")
    history.on_opened(1)
    history.on_rewound()
    assert not any(isinstance(command, Respond) for command in engine.take())


def test_a_rewind_without_room_in_the_engine_keeps_what_is_there() -> None:
    engine = RecordingEngine()
    history = history_of(engine)
    history.respond(Respond("s", "r"))
    history.on_response_done("r", 5)
    history.prefill(unit(0), is_committed=True)
    engine.refuses = True
    history.shorten("r", 4)
    assert not history.reset()
    engine.refuses = False
    engine.take()
    history.prefill(unit(1), is_committed=True)
    assert engine.take() == [Prefill("s", unit(1))]


def test_a_rejected_unit_was_never_there() -> None:
    engine = RecordingEngine()
    history = history_of(engine)
    history.prefill(unit(0), is_committed=False)
    history.prefill(unit(1), is_committed=False)
    history.on_rejected(CommandRejected("s", "Prefill", "engine_overloaded", "", None, 0))
    history.on_rejected(CommandRejected("s", "Prefill", "engine_overloaded", "", None, 77))
    assert history.on_prefilled(prefilled(1, 2))
    history.clear_uncommitted()
    assert engine.take()[-1] == Rewind("s", 1)


def test_answers_from_before_a_reset_are_no_news() -> None:
    engine = RecordingEngine()
    history = history_of(engine)
    history.prefill(unit(0), is_committed=False)
    assert history.reset()
    history.prefill(unit(1), is_committed=False)
    assert not history.on_prefilled(prefilled(0, 2))
    history.on_rewound()
    assert engine.take() == [Prefill("s", unit(0)), Reset("s")]
    history.on_reset(3)
    assert engine.take() == [Prefill("s", unit(1))]
    assert history.on_prefilled(prefilled(1, 4))
    history.clear_uncommitted()
    assert engine.take()[-1] == Rewind("s", 3)


def test_a_rejected_reset_does_not_hold_up_the_call() -> None:
    engine = RecordingEngine()
    history = history_of(engine)
    assert history.reset()
    history.prefill(unit(0), is_committed=True)
    history.on_rejected(CommandRejected("s", "Reset", "engine_overloaded", ""))
    assert engine.take() == [Reset("s"), Prefill("s", unit(0))]


def test_a_long_history_is_not_kept() -> None:
    engine = RecordingEngine()
    history = history_of(engine)
    for index in range(1000):
        history.prefill(unit(index), is_committed=index % 2 == 0)
        history.on_prefilled(prefilled(index, index + 2))
    assert len(history._entries) <= MAX_ENTRIES + 1
    history.commit()
    assert len(history._entries) == 1
    history.shorten("r", 3)
    assert all(isinstance(command, Prefill) for command in engine.take())


# --- anything at any time, against a plain list

OPERATIONS = st.one_of(
    st.just(("unit",)),
    st.just(("message",)),
    st.just(("commit",)),
    st.just(("clear",)),
    st.just(("ask",)),
    st.tuples(st.just("truncate"), st.sampled_from([0.0, 0.5, 1.0, 1.6, 2.0])),
    st.tuples(st.just("wait"), st.sampled_from([0.05, 0.3, 1.0])),
)
WORDS = ("One", " two", " three", " four")


class Expected:
    """What the model should remember, kept in the simplest way."""

    def __init__(self) -> None:
        self.items: list[tuple[str, object]] = []
        self.committed = 0
        self.n_units = 0
        self.kept_s = 0.0
        self.response_id = ""

    def add(self, kind: str, value: object) -> None:
        """Something was said."""
        self.items.append((kind, value))

    def clear(self) -> None:
        """Units after the last commit go."""
        after = [item for item in self.items[self.committed :] if item[0] != "unit"]
        self.items[self.committed :] = after

    def truncate(self, heard_s: float) -> None:
        """The last response keeps the words heard."""
        index = max(i for i, (kind, _) in enumerate(self.items) if kind == "response")
        words = "".join(WORDS[: int(heard_s / 0.5)])
        replaced = [("response", words)] if words else []
        self.items[index : index + 1] = replaced
        self.committed -= not words


async def play(call: ScriptedCall, operation: tuple[object, ...], expected: Expected) -> None:
    """Do one thing to the session and to the list."""
    match operation:
        case ("unit",):
            call.session.append_audio(tone(1.0), 16_000)
            expected.add("unit", expected.n_units)
            expected.n_units += 1
        case ("message",):
            text = f"message {len(expected.items)}"
            call.session.add_message(TextMessage("user", text))
            expected.add("message", text)
        case ("commit",) if any(kind == "unit" for kind, _ in expected.items[expected.committed :]):
            call.session.commit()
            expected.committed = len(expected.items)
        case ("clear",):
            call.session.clear()
            expected.clear()
        case ("ask",):
            expected.response_id = call.session.respond()
            expected.add("response", "".join(WORDS))
            expected.committed, expected.kept_s = len(expected.items), 2.0
            await call.until(ResponseFinished, len(call.all_of(ResponseFinished)) + 1)
        case ("truncate", float(heard_s)) if 0 < expected.kept_s >= heard_s:
            with contextlib.suppress(ProtocolError):
                call.session.truncate(expected.response_id, heard_s)
                if heard_s < expected.kept_s:
                    expected.truncate(heard_s)
                    expected.kept_s = heard_s
        case ("wait", float(seconds)):
            await asyncio.sleep(seconds)
        case _:
            pass


@settings(deadline=None, max_examples=120)
@given(
    operations=st.lists(OPERATIONS, max_size=25),
    open_s=st.sampled_from([0.0, 1.0]),
    prefill_s=st.sampled_from([0.0, 0.2]),
)
def test_the_model_remembers_exactly_what_was_not_taken_back(
    operations: list[tuple[object, ...]], open_s: float, prefill_s: float
) -> None:
    async def scenario() -> None:
        script = reply(*itertools.chain.from_iterable((word, 0.5) for word in WORDS))
        engine = FakeEngine([script], open_s=open_s, prefill_s=prefill_s)
        config = config_with(session={"max_backlog_s": 1000})
        async with call_to(engine, manual(), config) as call:
            expected = Expected()
            call.session.append_audio(tone(1.0), 16_000)
            expected.add("unit", 0)
            expected.n_units = 1
            for operation in operations:
                await play(call, operation, expected)
            await asyncio.sleep(60.0)
            remembered: list[tuple[str, object]] = []
            for item in engine.remembered(call.session.id):
                match item:
                    case InputUnit(index=index):
                        remembered.append(("unit", index))
                    case TextMessage(text=text):
                        remembered.append(("message", text))
                    case str() if item == WORDS[0]:
                        remembered.append(("response", item))
                    case str():
                        remembered[-1] = ("response", f"{remembered[-1][1]}{item}")
            assert remembered == expected.items

    run_virtual(scenario())
