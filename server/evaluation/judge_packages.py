"""The judges of speech are an extra of the distribution; a missing one is named with its remedy."""

from __future__ import annotations

from importlib.util import find_spec

from server.errors import OmnicallError

JUDGES = ("pocketsphinx", "jiwer", "pesq", "pystoi")
INSTALL = "pip install 'omnicall[eval]'"


class JudgeMissingError(OmnicallError):
    """Speech is to be judged, and something that takes is not installed."""

    code = "judge_missing"


def missing_judges() -> str | None:
    """Which packages are missing and how to install them; None where all are there."""
    missing = [name for name in JUDGES if find_spec(name) is None]
    return f"not installed: {', '.join(missing)}; {INSTALL}" if missing else None
