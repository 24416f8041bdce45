"""The order of items."""

from __future__ import annotations

import pytest

from server.errors import ProtocolError
from server.gateway.item_list import ItemList
from server.protocol.items import Item

pytestmark = pytest.mark.unit


def item(name: str) -> Item:
    return Item(id=name, status="completed", role="user")


def filled(*names: str, max_items: int = 10) -> ItemList:
    items = ItemList(max_items)
    for name in names:
        items.append(item(name))
    return items


def test_items_know_what_was_before_them() -> None:
    items = ItemList()
    assert items.append(item("a")) is None
    assert items.append(item("b")) == "a"
    assert items.previous_id("b") == "a"
    assert items.last_id == "b"


def test_the_oldest_items_leave_a_full_list() -> None:
    items = filled("a", "b", "c", max_items=2)
    assert "a" not in items
    assert items.get("a") is None
    assert items.get("b") is not None
    assert items.previous_id("a") is None


def test_deleting_the_newest_makes_the_one_before_the_newest() -> None:
    items = filled("a", "b", "c")
    items.delete("c")
    assert items.last_id == "b"
    items.delete("a")
    assert items.last_id == "b"
    items.delete("b")
    assert items.last_id is None


def test_all_items_can_leave_at_once() -> None:
    items = filled("a", "b")
    assert items.clear() == ["a", "b"]
    assert items.last_id is None
    assert items.clear() == []


def test_replacing_an_item_that_left_does_nothing() -> None:
    items = filled("a")
    items.replace(item("b"))
    assert "b" not in items
    items.replace(item("a").model_copy(update={"status": "incomplete"}))
    shown = items.get("a")
    assert shown is not None
    assert shown.status == "incomplete"


def test_items_are_added_at_the_end_only() -> None:
    items = ItemList()
    items.check_is_end(None)
    items.check_is_end("root")
    items.append(item("a"))
    items.append(item("b"))
    items.check_is_end("b")
    for place in ("root", "a", "nowhere"):
        with pytest.raises(ProtocolError) as caught:
            items.check_is_end(place)
        assert caught.value.code == "item_create_invalid_previous_item_id"
