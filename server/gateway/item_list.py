"""The items of one conversation in their order, as the dialect lists them."""

from __future__ import annotations

from server.errors import ProtocolError
from server.protocol.items import Item

MAX_ITEMS = 2048
"""Items kept for retrieval. Beyond, the oldest leave the list; the model's memory has its own
limits (`context.high_tokens`)."""
ROOT_ITEM_ID = "root"


class ItemList:
    """Items by id, oldest first; bounded: the oldest leave silently."""

    def __init__(self, max_items: int = MAX_ITEMS) -> None:
        self._max_items = max_items
        self._items: dict[str, Item] = {}
        self._previous: dict[str, str | None] = {}
        self._last_id: str | None = None

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._items

    @property
    def last_id(self) -> str | None:
        """The newest item."""
        return self._last_id

    def append(self, item: Item) -> str | None:
        """Put an item at the end; returns the id of the one before it."""
        previous = self._last_id
        self._items[item.id] = item
        self._previous[item.id] = previous
        self._last_id = item.id
        while len(self._items) > self._max_items:
            oldest = next(iter(self._items))
            del self._items[oldest], self._previous[oldest]
        return previous

    def replace(self, item: Item) -> None:
        """Show an item differently; nothing happens when it has left the list."""
        if item.id in self._items:
            self._items[item.id] = item

    def get(self, item_id: str) -> Item | None:
        """The item of this id."""
        return self._items.get(item_id)

    def previous_id(self, item_id: str) -> str | None:
        """The id that stood before the item when it was added."""
        return self._previous.get(item_id)

    def delete(self, item_id: str) -> None:
        """Take an item out."""
        del self._items[item_id], self._previous[item_id]
        if item_id == self._last_id:
            self._last_id = next(reversed(self._items), None)

    def clear(self) -> list[str]:
        """Take all items out; returns their ids."""
        ids = list(self._items)
        self._items.clear()
        self._previous.clear()
        self._last_id = None
        return ids

    def check_is_end(self, previous_item_id: str | None) -> None:
        """Make sure that "after this item" means "at the end".

        Raises:
            ProtocolError: The id is unknown, or names a place inside what the model already read.
        """
        if previous_item_id is None or previous_item_id == self._last_id:
            return
        if previous_item_id == ROOT_ITEM_ID and self._last_id is None:
            return
        if previous_item_id != ROOT_ITEM_ID and previous_item_id not in self._items:
            raise ProtocolError(
                f"there is no item {previous_item_id!r}",
                code="item_create_invalid_previous_item_id",
                param="previous_item_id",
            )
        raise ProtocolError(
            "the model reads as the conversation goes; items can only be added at its end",
            code="item_create_invalid_previous_item_id",
            param="previous_item_id",
        )
