"""Batches in files: made where the synthesisers are, trained where the accelerator is.

A shard is one batch in one ``.npz``; a folder of shards with its ``data.json`` is a data set.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.training import batches
from model.training.batches import TrainingData

FACTS_FILE = "data.json"
STRUCTURE_KEY = "structure"
_KINDS = {name: kind for name, kind in vars(batches).items() if is_dataclass(kind)}


def write_shard(path: Path, batch: Any) -> None:
    """Write one batch; the file appears whole or not at all."""
    arrays: dict[str, np.ndarray] = {}
    structure = json.dumps(_take_apart(batch, arrays))
    scratch = path.with_suffix(".part")
    with scratch.open("wb") as file:
        np.savez_compressed(file, **arrays, **{STRUCTURE_KEY: np.array(structure)})
    scratch.replace(path)


def read_shard(path: Path) -> Any:
    """The batch of a shard."""
    with np.load(path, allow_pickle=False) as stored:
        structure = json.loads(str(stored[STRUCTURE_KEY]))
        return _put_together(structure, stored)


def write_data(folder: Path, data: TrainingData, count: int) -> None:
    """Write the first ``count`` batches of a producer as a data set."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, batch in zip(range(count), data.source(0), strict=False):
        write_shard(folder / f"{index:06d}.npz", batch)
    facts = {
        "n_voices": data.n_voices,
        "n_phones": data.n_phones,
        "n_classes": dict(data.n_classes),
        "n_grid_classes": dict(data.n_grid_classes),
    }
    (folder / FACTS_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def open_data(folder: Path, seed: int) -> TrainingData:
    """A data set, over and over, every time in another order.

    Raises:
        FileNotFoundError: The folder is no data set.
    """
    paths = sorted(folder.glob("*.npz"))
    if not paths or not (folder / FACTS_FILE).is_file():
        raise FileNotFoundError(f"{folder} is no data set: it needs *.npz and {FACTS_FILE}")
    facts = json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))

    def source(step: int) -> Iterator[Any]:
        while True:
            epoch, place = divmod(step, len(paths))
            order = np.random.default_rng((seed, epoch)).permutation(len(paths))
            yield read_shard(paths[order[place]])
            step += 1

    return TrainingData(source, **facts)


def _take_apart(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if is_dataclass(value):
        parts = {f.name: _take_apart(getattr(value, f.name), arrays) for f in fields(value)}
        return {"kind": type(value).__name__, "fields": parts}
    if isinstance(value, np.ndarray):
        name = f"array{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, dict):
        return {"named": {key: _take_apart(item, arrays) for key, item in value.items()}}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_take_apart(item, arrays) for item in value]
    return value


def _put_together(structure: Any, arrays: Any) -> Any:
    if isinstance(structure, list):
        return tuple(_put_together(item, arrays) for item in structure)
    if not isinstance(structure, dict):
        return structure
    if "array" in structure:
        return arrays[structure["array"]]
    if "named" in structure:
        return {k: _put_together(item, arrays) for k, item in structure["named"].items()}
    parts = {k: _put_together(item, arrays) for k, item in structure["fields"].items()}
    return _KINDS[structure["kind"]](**parts)
