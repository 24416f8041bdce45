"""Batches come back from files as they went in."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.training.batches import CallBatch, TrainingData, WaveBatch
from model.training.shards import open_data, read_shard, write_data, write_shard
from model.training.trainer import repeated
from tests.model.training.test_vision_encoder_stage import pictures
from tests.model.training.tiny_calls import typed_call, video_call

pytestmark = pytest.mark.unit


def assert_same(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    if isinstance(ours, np.ndarray):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    elif is_dataclass(ours):
        for each in fields(ours):
            assert_same(getattr(ours, each.name), getattr(theirs, each.name))
    elif isinstance(ours, tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    elif isinstance(ours, dict):
        assert_same(tuple(ours.items()), tuple(theirs.items()))
    else:
        assert ours == theirs


@pytest.mark.parametrize(
    "batch", [CallBatch((video_call(), typed_call())), pictures()], ids=["calls", "pictures"]
)
def test_a_batch_survives_its_file(batch: Any, tmp_path: Path) -> None:
    write_shard(tmp_path / "one.npz", batch)
    assert_same(read_shard(tmp_path / "one.npz"), batch)
    assert [path.name for path in tmp_path.iterdir()] == ["one.npz"]


def test_a_data_set_is_shuffled_anew_every_time_and_continues_where_it_was(tmp_path: Path) -> None:
    batches = [WaveBatch(np.full((1, 2), value, np.float32)) for value in range(8)]
    write_data(tmp_path, TrainingData(repeated(batches), n_voices=2, n_classes={"count": 5}), 8)
    data = open_data(tmp_path, seed=1)
    assert (data.n_voices, data.n_phones, data.n_classes) == (2, 0, {"count": 5})
    order = [int(batch.waves[0, 0]) for batch in islice(data.source(0), 16)]
    assert sorted(order[:8]) == sorted(order[8:]) == list(range(8))
    assert order[:8] != order[8:]
    again = [int(batch.waves[0, 0]) for batch in islice(data.source(5), 11)]
    assert again == order[5:]


def test_a_folder_that_is_no_data_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        open_data(tmp_path, 0)
