"""What all sessions of one engine share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from model.omni import OmniModel, OmniState
from server.clock import Clock
from server.config import Config
from server.engine.interface import SessionEvent


@dataclass(frozen=True, slots=True)
class EngineParts:
    """Handed to every session and job; read-only but for the rows of ``state`` they own."""

    model: OmniModel
    state: OmniState
    config: Config
    clock: Clock
    emit: Callable[[SessionEvent], None]
