"""What is missing is named, with the way to install it."""

from __future__ import annotations

import pytest

from server.evaluation import judge_packages
from server.evaluation.judge_packages import INSTALL, missing_judges

pytestmark = pytest.mark.unit


def test_missing_judges_are_named_with_their_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_packages, "JUDGES", ("no_such_judge", "json", "nor_this_one"))
    assert missing_judges() == f"not installed: no_such_judge, nor_this_one; {INSTALL}"
    monkeypatch.setattr(judge_packages, "JUDGES", ("json",))
    assert missing_judges() is None
