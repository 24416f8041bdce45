"""The tiny checkpoint of the golden set, loaded once, and engines around it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server.config import CheckpointConfig, Config, ContextConfig, EngineConfig, SessionConfig

if TYPE_CHECKING:
    from model.omni import OmniModel
    from tests.fakes.stepped_engine import SteppedEngine

TINY_CHECKPOINT = Path(__file__).parents[2] / "golden"


def tiny_config(**sections: object) -> Config:
    """Settings for the tiny checkpoint; ``sections`` replace whole sections."""
    return Config(
        **{
            "checkpoint": CheckpointConfig(path=str(TINY_CHECKPOINT), device="cpu", threads=1),
            # Tests do not wait for a listener.
            "engine": EngineConfig(speech_lead_s=1000.0),
            "context": ContextConfig(capacity_tokens=2048, high_tokens=1536, low_tokens=1024),
            "session": SessionConfig(max_sessions=2),
            **sections,
        }
    )


@pytest.fixture(scope="session")
def tiny_model() -> OmniModel:
    """The model of the tiny checkpoint."""
    from model.loading import load_checkpoint

    return load_checkpoint(TINY_CHECKPOINT, "cpu", "float32")


@pytest.fixture
def engine(tiny_model: OmniModel) -> SteppedEngine:
    """An engine with two rows, stepped by hand."""
    from tests.fakes.stepped_engine import SteppedEngine

    return SteppedEngine(tiny_model, tiny_config())
