"""Bases of what crosses the wire."""

from __future__ import annotations

from typing import ClassVar

import pytest
from pydantic import Field, ValidationError

from server.protocol.wire_model import ClientModel, ServerModel

pytestmark = pytest.mark.unit


class Wish(ClientModel):
    n: int


class Answer(ServerModel):
    keeps_null: ClassVar[frozenset[str]] = frozenset({"kept"})

    kept: str | None = None
    left_out: str | None = None
    inner: dict[str, None] = Field(default_factory=lambda: {"null": None})


@pytest.mark.parametrize("fields", [{"n": "1"}, {"n": 1.5}, {"n": 1, "m": 2}, {}])
def test_clients_get_no_guesses(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Wish.model_validate(fields)


def test_null_is_written_only_where_it_says_something() -> None:
    assert Answer().model_dump() == {"kept": None, "inner": {"null": None}}
