"""The switches between what the product does and what the reference does."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from model.quirks import PRODUCT, ReferenceQuirks

pytestmark = pytest.mark.unit


def test_the_product_has_no_quirk() -> None:
    assert not any(getattr(PRODUCT, field.name) for field in fields(PRODUCT))


def test_faithful_has_every_quirk() -> None:
    faithful = ReferenceQuirks.faithful()
    assert all(getattr(faithful, field.name) for field in fields(faithful))


def test_quirks_cannot_be_switched_while_running() -> None:
    with pytest.raises(FrozenInstanceError):
        PRODUCT.drop_exclamation_mark = True
