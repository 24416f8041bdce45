"""A prompt is encoded, then prefilled, piece by piece where it is long."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from model.omni import OmniModel
from model.prompt import Prompt
from server.config import ContextConfig
from server.engine.history import SessionHistory
from server.engine.interface import (
    Opened,
    SessionSpec,
)
from server.engine.prompt_feed import PIECE_TOKENS, PrefillResult, PromptFeed
from server.engine.scheduler import Stage, WorkItem
from tests.fakes.stepped_engine import SteppedEngine

pytestmark = pytest.mark.unit


def test_a_long_system_prompt_is_prefilled_in_pieces(engine: SteppedEngine) -> None:
    engine.open("a", SessionSpec(mode="audio", instructions="long " * 300))
    assert len(engine.batches(Stage.PREFILL)) > 1
    assert len(engine.said(Opened)) == 1


def test_the_speaker_is_found_wherever_the_pieces_are_cut(tiny_model: OmniModel) -> None:
    """The speaker's position in the last piece, or the last of the piece before."""
    for n_before in (PIECE_TOKENS - 1, PIECE_TOKENS, 3):
        state = tiny_model.allocate(1, 2048)
        history = SessionHistory(0, tiny_model, state, ContextConfig())
        ids = (64,) * n_before + (66, 67, 68)
        prompt = Prompt(ids, speaker_spans=((n_before, n_before + 1),))
        feed = PromptFeed(tiny_model, history, prompt)
        hidden = []
        while not feed.done:
            (item,) = feed.work(NoJob(), 0.0)
            (states,) = tiny_model.prefill([0], [item.payload.embeddings], state)
            hidden.append(states)
            feed.deliver(item, PrefillResult(states))
        assert len(hidden) == (1 if len(ids) <= PIECE_TOKENS else 2)
        assert feed.speaker is not None
        assert torch.equal(feed.speaker, torch.cat(hidden)[n_before])


class NoJob:
    """Nobody waits for the result."""

    session_id = "a"

    def deliver(self, item: WorkItem, result: Any, compute_s: float) -> None:
        """Not called."""
