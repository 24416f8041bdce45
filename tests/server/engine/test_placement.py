"""The placement setting decides the engine."""

from __future__ import annotations

import pytest

from server.config import load_config
from server.engine.placement import create_engine_client
from server.engine.process_client import ProcessEngineClient
from server.engine.thread_client import ThreadEngineClient

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("placement", "kind"), [("process", ProcessEngineClient), ("thread", ThreadEngineClient)]
)
def test_the_setting_chooses_the_placement(placement: str, kind: type) -> None:
    config = load_config(overrides={"engine": {"placement": placement}}, environment={})
    assert type(create_engine_client(config)) is kind
