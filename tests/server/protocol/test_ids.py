"""Ids on the wire."""

from __future__ import annotations

import pytest

from server.protocol.ids import new_id

pytestmark = pytest.mark.unit

LONGEST_ID_OF_THE_DIALECT = 32


def test_ids_say_what_they_name_and_never_repeat() -> None:
    ids = {new_id("item") for _ in range(1000)}
    assert len(ids) == 1000
    assert all(name.startswith("item_") for name in ids)
    assert all(len(name) <= LONGEST_ID_OF_THE_DIALECT for name in ids)
