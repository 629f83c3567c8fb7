"""The conversation of one session: its items in order, and the client's edits of them. PURE."""

from bot.offline.config import Json
from bot.offline.items import Item, item_from_wire
from bot.offline.parse import Refusal


class Conversation:
    """Items in their order. Edits raise ``Refusal`` in the words of the real service."""

    def __init__(self, conversation_id: str) -> None:
        self.id = conversation_id
        self.items: list[Item] = []

    @property
    def last_id(self) -> str | None:
        return self.items[-1].id if self.items else None

    def append(self, item: Item) -> str | None:
        """Adds ``item`` at the end; returns the id of the item before it."""
        previous = self.last_id
        self.items.append(item)
        return previous

    def find(self, item_id: str) -> Item | None:
        return next((item for item in self.items if item.id == item_id), None)

    def create(self, wire: Json, after: str | None, new_id: str) -> tuple[Item, str | None]:
        """Adds a client's item after the item ``after`` (``root``: first; ``None``: last).

        Returns it and the id of the item before it.
        """
        item_id = wire.get("id") or new_id
        if self.find(item_id) is not None:
            raise Refusal(
                "item_create_duplicate_item_id",
                f"Error adding item: an item with id '{item_id}' already exists.",
            )
        if wire["type"] == "function_call_output" and not self._has_call(wire["call_id"]):
            raise Refusal(
                "invalid_tool_call_id", f"Tool call ID '{wire['call_id']}' not found in conversation."
            )
        place = self._place_after(after)
        item = item_from_wire(wire, item_id)
        self.items.insert(place, item)
        return item, self.items[place - 1].id if place else None

    def get(self, item_id: str, action: str) -> Item:
        """The item, for a client's ``retrieve``, ``delete`` or ``truncate`` (named in the refusal)."""
        item = self.find(item_id)
        if item is None:
            raise Refusal(
                f"item_{action}_invalid_item_id",
                f"Error with item {action}: the item with id '{item_id}' does not exist.",
                "item_id",
            )
        return item

    def delete(self, item_id: str) -> None:
        self.items.remove(self.get(item_id, "delete"))

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Cuts the audio of an agent's message, which loses its transcript: what was said after the cut
        was not heard."""
        item = self.get(item_id, "truncate")
        if item.role != "assistant" or content_index >= len(item.content):
            raise Refusal("invalid_value", "Only model output audio messages can be truncated", "item_id")
        if audio_end_ms > item.audio_ms:
            raise Refusal(
                "invalid_value",
                f"Audio content of {item.audio_ms}ms is already shorter than {audio_end_ms}ms",
                "audio_end_ms",
            )
        item.audio_ms = audio_end_ms
        item.content[content_index]["transcript"] = ""

    def _has_call(self, call_id: str) -> bool:
        return any(item.type == "function_call" and item.call_id == call_id for item in self.items)

    def _place_after(self, after: str | None) -> int:
        if after is None:
            return len(self.items)
        if after == "root":
            return 0
        for place, item in enumerate(self.items):
            if item.id == after:
                return place + 1
        raise Refusal(
            "item_create_invalid_previous_item_id",
            f"Error adding item: the previous item with id '{after}' does not exist.",
            "previous_item_id",
        )
