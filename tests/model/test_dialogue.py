"""The prompt state machine of a session, in the product and as the reference has it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.config import OmniConfig
from model.dialogue import Dialogue, DialogueStep
from model.prompt import Template, encode_prompt, prompt_pieces
from model.quirks import ReferenceQuirks
from model.state import KVCachePool
from tests.model.tiny_models import random_language_model, tiny_config, tiny_tokenizer

pytestmark = pytest.mark.unit

FAITHFUL = ReferenceQuirks.faithful()
CONFIG = OmniConfig()
ANSWER = "<|im_start|>assistant\n<|spk_bos|><|spk|><|spk_eos|><|tts_bos|>"
MODEL = random_language_model(tiny_config(vocab_size=478))


def text_of(step: DialogueStep) -> str:
    return "".join(piece for piece, _ in prompt_pieces(step.items, CONFIG))


def begun(quirks: ReferenceQuirks | None = None) -> Dialogue:
    dialogue = Dialogue(quirks) if quirks else Dialogue()
    dialogue.prefill("user", ["You are kind."])
    return dialogue


@pytest.mark.parametrize("role", ["user", "system"])
def test_the_first_message_is_a_closed_turn_of_its_own(role: str) -> None:
    dialogue = Dialogue()
    step = dialogue.prefill(role, ["You are kind."])
    assert text_of(step) == f"<|im_start|>{role}\nYou are kind.<|im_end|>\n"
    assert step.clears_audio
    assert not dialogue.user_turn_open


def test_units_after_the_first_follow_without_a_header() -> None:
    dialogue = begun()
    first = dialogue.prefill("user", [Template("<unit>"), "a"])
    second = dialogue.prefill("user", [Template("<unit>"), "b"])
    assert text_of(first) == "<|im_start|>user\n<unit>a"
    assert text_of(second) == "<unit>b"
    assert dialogue.user_turn_open
    assert not first.clears_audio and not second.clears_audio


def test_items_are_joined_by_the_separator() -> None:
    assert text_of(begun().prefill("user", ["a", "b"], "\n")) == "<|im_start|>user\na\nb"


def test_an_answer_closes_the_users_turn_and_the_audio_context() -> None:
    dialogue = begun()
    dialogue.prefill("user", ["hi"])
    step = dialogue.respond()
    assert text_of(step) == f"<|im_end|>\n{ANSWER}"
    assert step.clears_audio
    assert not dialogue.user_turn_open


@pytest.mark.parametrize("completed", [True, False])
@pytest.mark.parametrize("quirks", [ReferenceQuirks(), FAITHFUL])
def test_the_turn_after_an_answer_closes_it(completed: bool, quirks: ReferenceQuirks) -> None:
    dialogue = begun(quirks)
    dialogue.prefill("user", ["hi"])
    dialogue.respond()
    if completed:
        dialogue.complete()
    closing = "<|im_end|>\n" if completed else "<|tts_eos|><|im_end|>\n"
    assert text_of(dialogue.prefill("user", ["so"])) == f"{closing}<|im_start|>user\nso"


def test_an_answer_cannot_complete_twice_or_without_having_begun() -> None:
    dialogue = begun()
    with pytest.raises(RuntimeError, match="no answer is open"):
        dialogue.complete()
    dialogue.respond()
    dialogue.complete()
    with pytest.raises(RuntimeError, match="no answer is open"):
        dialogue.complete()


def test_an_answer_to_nothing_has_no_second_end_of_turn() -> None:
    assert text_of(begun().respond()) == ANSWER
    assert text_of(begun(FAITHFUL).respond()) == f"<|im_end|>\n{ANSWER}"


def test_two_answers_in_a_row_are_two_turns() -> None:
    dialogue = begun()
    dialogue.respond()
    assert text_of(dialogue.respond()) == f"<|tts_eos|><|im_end|>\n{ANSWER}"


@pytest.mark.parametrize("role", ["system", "assistant"])
def test_a_later_message_closes_what_is_open_and_has_its_header(role: str) -> None:
    dialogue = begun()
    dialogue.prefill("user", ["hi"])
    step = dialogue.prefill(role, ["ok."])
    assert text_of(step) == f"<|im_end|>\n<|im_start|>{role}\nok.<|im_end|>\n"
    assert step.clears_audio
    assert text_of(dialogue.prefill("user", ["so"])) == "<|im_start|>user\nso"


@pytest.mark.parametrize("role", ["system", "assistant"])
def test_the_reference_gives_a_later_message_no_header(role: str) -> None:
    dialogue = begun(FAITHFUL)
    dialogue.prefill("user", ["hi"])
    step = dialogue.prefill(role, ["ok."])
    assert text_of(step) == "ok."
    assert step.clears_audio
    assert text_of(dialogue.prefill("user", ["so"])) == "<|im_start|>user\nso"


def test_a_moment_within_an_answer_counts_as_an_answer_cut_short() -> None:
    dialogue = begun()
    dialogue.prefill("user", ["hi"])
    dialogue.respond()
    heard_until_here = dialogue.snapshot()
    dialogue.complete()
    dialogue.restore(heard_until_here)
    step = dialogue.prefill("user", ["stop"])
    assert text_of(step) == "<|tts_eos|><|im_end|>\n<|im_start|>user\nstop"


# --- rewinding a session: dialogue and cache row together

actions = st.lists(
    st.sampled_from(["unit", "system", "assistant", "respond", "complete"]), max_size=6
)


def act(dialogue: Dialogue, pool: KVCachePool, action: str, number: int) -> torch.Tensor | None:
    """One message into the dialogue and its row; hidden states of what it appended."""
    if action == "complete":
        if dialogue.snapshot().closing.startswith("<|tts_eos|>"):
            dialogue.complete()
        return None
    role = {"unit": "user"}.get(action, action)
    step = dialogue.respond() if action == "respond" else dialogue.prefill(role, [f"word {number}"])
    ids = torch.tensor(encode_prompt(step.items, tiny_tokenizer(), CONFIG).ids)
    return MODEL(MODEL.embed(ids), pool, pool.segments([0], [len(ids)]))


@given(before=actions, regretted=actions, after=actions)
@settings(deadline=None, max_examples=30)
def test_a_rewound_session_equals_one_that_never_went_there(
    before: list[str], regretted: list[str], after: list[str]
) -> None:
    rewound, straight = Dialogue(), Dialogue()
    pool, straight_pool = MODEL.allocate(1, 512), MODEL.allocate(1, 512)
    for number, action in enumerate(["system", *before]):
        act(rewound, pool, action, number)
        act(straight, straight_pool, action, number)
    mark, length = rewound.snapshot(), pool.lengths[0]
    for number, action in enumerate(regretted):
        act(rewound, pool, action, 10 + number)
    rewound.restore(mark)
    pool.truncate(0, length)
    for number, action in enumerate([*after, "unit"]):
        ours = act(rewound, pool, action, 20 + number)
        theirs = act(straight, straight_pool, action, 20 + number)
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=0)
    assert pool.lengths == straight_pool.lengths
    assert rewound.snapshot() == straight.snapshot()
