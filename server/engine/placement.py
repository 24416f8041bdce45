"""Which engine the settings ask for."""

from __future__ import annotations

from server.clock import Clock
from server.config import Config
from server.engine.client import EngineClient
from server.engine.process_client import ProcessEngineClient
from server.engine.thread_client import ThreadEngineClient


def create_engine_client(config: Config, clock: Clock | None = None) -> EngineClient:
    """The engine of ``engine.placement``; nothing runs until it is started."""
    if config.engine.placement == "thread":
        return ThreadEngineClient(config, clock)
    return ProcessEngineClient(config, clock)
