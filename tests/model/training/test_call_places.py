"""Where in a packed batch something is learnt."""

from __future__ import annotations

import pytest
import torch

from model.training.batches import IGNORED
from model.training.call_places import places_of
from model.training.joint_sequence import CallLayout
from model.training.packed_calls import pack
from tests.model.training.tiny_calls import audio_call, typed_call, video_call
from tests.model.training.tiny_training import fresh_model

pytestmark = pytest.mark.unit


def test_every_place_is_where_its_call_says() -> None:
    model = fresh_model()
    layout = CallLayout(model.tokenizer, model.config)
    sequences = [layout.lay_out(call) for call in (typed_call(), video_call(), audio_call())]
    sequences[1].words = [7, 11]
    packing = pack(sequences)
    places = places_of(packing, sequences)
    ids = torch.tensor([token for sequence in sequences for token in sequence.ids])[packing.kept]

    answered = [t for s in sequences for t in s.targets if t != IGNORED]
    assert places.said.tolist() == answered
    asked = [t for s in sequences for t in s.asked if t != IGNORED]
    assert places.expected.tolist() == asked
    assert (ids[places.speakers] == model.tokenizer.spk).all()
    assert len(places.speakers) == sum(len(s.speakers) for s in sequences)
    assert ids[places.words].tolist() == [sequences[1].ids[7], sequences[1].ids[11]]

    rows = torch.arange(len(packing.kept))
    parts = places.split(rows[places.wanted])
    expected = (places.answers, places.asked, places.words, places.speakers)
    assert all(torch.equal(part, place) for part, place in zip(parts, expected, strict=True))
