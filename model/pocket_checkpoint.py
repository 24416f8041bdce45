"""Where the default checkpoint is; made on first use where a distribution comes without it.

``pocket`` means the checkpoint in ``model/pocket/`` when the distribution contains it. Else
it means a random checkpoint of the same shape, generated once into the user's cache.
"""

from __future__ import annotations

import os
from pathlib import Path

from model.checkpoint_shapes import SHAPES
from model.random_checkpoint import write_random_checkpoint

POCKET_FOLDER = Path(__file__).parent / "pocket"
UNTRAINED_VERSION = 2
"""Raised when the shape or the layout of generated checkpoints changes."""


class UnknownCheckpointError(ValueError):
    """A checkpoint setting names neither a folder nor a known checkpoint."""


def resolve(path: str) -> Path:
    """The folder a checkpoint setting means.

    Args:
        path: A folder, or ``pocket``.

    Raises:
        UnknownCheckpointError: There is no such folder.
    """
    if path == "pocket":
        if (POCKET_FOLDER / "config.json").is_file():
            return POCKET_FOLDER
        return untrained("pocket")
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise UnknownCheckpointError(
            f"checkpoint {path!r} is not a folder; give the path of a checkpoint in the layout of "
            "openbmb/MiniCPM-o-2_6, or 'pocket' for the default"
        )
    return folder


def untrained(shape_name: str) -> Path:
    """A random checkpoint of a named shape, generated on first use."""
    folder = cache_folder() / f"untrained-{shape_name}-v{UNTRAINED_VERSION}"
    if not (folder / "config.json").is_file():
        write_random_checkpoint(folder, SHAPES[shape_name])
    return folder


def cache_folder() -> Path:
    """``$OMNICALL_CACHE_DIR``, or ``omnicall`` in the user's cache folder."""
    chosen = os.environ.get("OMNICALL_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "omnicall"
