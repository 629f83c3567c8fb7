"""Conversation items: what the caller said, what the agent said, calls of functions and their outcome.

Content is kept in ``ga`` names. Audio itself is not kept, only how long it is.
"""

import secrets
from dataclasses import dataclass, field
from typing import Literal

from bot.offline.config import Json

Status = Literal["completed", "incomplete", "in_progress"]


@dataclass
class Item:
    """One item. ``role`` only for messages; ``call_id``/``name``/``arguments``/``output`` for functions.

    ``audio_ms`` is the length of the item's audio, for an agent's item that sent so far; ``heard`` what the
    ears made of a caller's audio, which the client sees only when it asked for transcription.
    """

    id: str
    type: Literal["message", "function_call", "function_call_output"]
    role: Literal["user", "assistant", "system"] | None = None
    status: Status = "completed"
    content: list[Json] = field(default_factory=list)
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: str = ""
    audio_ms: int = 0
    heard: str = ""

    @property
    def text(self) -> str:
        """All words of a message, typed or spoken."""
        if self.heard:
            return self.heard
        return " ".join(filter(None, (part.get("text") or part.get("transcript") for part in self.content)))

    def wire(self) -> Json:
        """The item as ``ga`` shows it."""
        wire: Json = {"id": self.id, "object": "realtime.item", "type": self.type, "status": self.status}
        if self.type == "message":
            return wire | {"role": self.role, "content": [dict(part) for part in self.content]}
        if self.type == "function_call":
            return wire | {"name": self.name, "call_id": self.call_id, "arguments": self.arguments}
        return wire | {"call_id": self.call_id, "output": self.output}


def item_from_wire(wire: Json, item_id: str) -> Item:
    """An item of a client's checked ``conversation.item.create``; its audio is not kept."""
    item = Item(id=item_id, type=wire["type"], role=wire.get("role"))
    for part in wire.get("content") or []:
        kept = {name: value for name, value in part.items() if name != "audio" and value is not None}
        if item.role == "assistant" and kept["type"] in ("text", "audio"):
            kept["type"] = f"output_{kept['type']}"
        item.content.append(kept)
    item.call_id = wire.get("call_id") or ""
    item.name = wire.get("name") or ""
    item.arguments = wire.get("arguments") or ""
    item.output = wire.get("output") or ""
    return item


def new_id(kind: str) -> str:
    """A fresh identifier, ``item_…``, ``resp_…``, ``event_…``."""
    return f"{kind}_{secrets.token_hex(10)}"
