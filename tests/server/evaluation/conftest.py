"""The judges of speech are not on every machine: pesq takes a C compiler."""

from __future__ import annotations

from server.evaluation.judge_packages import missing_judges

collect_ignore = ["test_resynthesis.py", "test_speech_judging.py"] if missing_judges() else []
