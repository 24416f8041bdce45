"""Where clips, codes and runs are kept while pocket is being made; none of it is shipped."""

from __future__ import annotations

import os
from pathlib import Path

TRAINING_DIR_VARIABLE = "OMNICALL_TRAINING_DIR"
DEFAULT_TRAINING_DIR = "runs"


def training_folder() -> Path:
    """``$OMNICALL_TRAINING_DIR``, or ``runs`` in the current folder."""
    return Path(os.environ.get(TRAINING_DIR_VARIABLE) or DEFAULT_TRAINING_DIR)
