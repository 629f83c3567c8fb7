"""One response of the model, written as the API's sequence of events.

Every item is opened and closed here, so that a response can be cancelled at any point and its events
still add up. PURE: the session lends its ``emit`` and its conversation.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from bot.offline.config import Json, SessionConfig
from bot.offline.dialect import Dialect
from bot.offline.formats import bytes_per_ms
from bot.offline.items import Item, Status, new_id
from bot.offline.usage import NO_USAGE, Usage


@dataclass
class Response:
    """``context`` are the items it answers; ``in_conversation`` whether what it says joins them."""

    id: str
    config: SessionConfig
    context: list[Item]
    in_conversation: bool = True
    conversation_id: str | None = None
    instructions: str | None = None
    metadata: dict[str, str] | None = None
    idle: bool = False
    output: list[Item] = field(default_factory=list)
    usage: Usage = NO_USAGE

    @property
    def audio_ms(self) -> int:
        """Milliseconds of audio sent so far."""
        return sum(item.audio_ms for item in self.output)


class ResponseWriter:
    """Writes one response. ``emit(type, **fields)`` sends an event under its ``ga`` name; ``join(item)``
    makes the item part of the conversation and returns the id of the one before it."""

    def __init__(
        self,
        response: Response,
        dialect: Dialect,
        emit: Callable[..., None],
        join: Callable[[Item], str | None],
    ) -> None:
        self.response = response
        self._dialect = dialect
        self._emit = emit
        self._join = join
        self._open: Item | None = None
        self._previous: str | None = None
        self._audio_bytes = 0
        emit("response.created", response=self._wire("in_progress"))

    def begin_message(self) -> None:
        """Opens the agent's message: spoken or written, as the response's modality says."""
        self._add_item(Item(new_id("item"), "message", role="assistant", status="in_progress"))
        self._audio_bytes = 0
        part = {"type": "audio", "transcript": ""} if self._spoken else {"type": "text", "text": ""}
        self._emit("response.content_part.added", **self._place, content_index=0, part=part)
        kind = (
            {"type": "output_audio", "transcript": ""}
            if self._spoken
            else {"type": "output_text", "text": ""}
        )
        self._item.content.append(kind)

    def words(self, delta: str) -> None:
        """More of the message's text, or of its transcript."""
        self._item.content[0]["transcript" if self._spoken else "text"] += delta
        name = "response.output_audio_transcript.delta" if self._spoken else "response.output_text.delta"
        self._emit(name, **self._place, content_index=0, delta=delta)

    def audio(self, base64: str, length: int) -> None:
        """More of the message's audio: ``length`` bytes in the response's format, as ``base64``."""
        self._audio_bytes += length
        self._item.audio_ms = self._audio_bytes // bytes_per_ms(self.response.config.output_format)
        self._emit("response.output_audio.delta", **self._place, content_index=0, delta=base64)

    def end_message(self, status: Status = "completed") -> None:
        """Closes the message that is open."""
        place = self._place
        content = self._item.content[0]
        if self._spoken:
            self._emit("response.output_audio.done", **place, content_index=0)
            transcript = content["transcript"]
            self._emit(
                "response.output_audio_transcript.done", **place, content_index=0, transcript=transcript
            )
            part = {"type": "audio", "transcript": transcript}
        else:
            self._emit("response.output_text.done", **place, content_index=0, text=content["text"])
            part = {"type": "text", "text": content["text"]}
        self._emit("response.content_part.done", **place, content_index=0, part=part)
        self._end_item(status)

    def call(self, name: str, arguments: str) -> None:
        """A whole function call; ``arguments`` is JSON."""
        item = Item(new_id("item"), "function_call", status="in_progress")
        item.name, item.call_id = name, new_id("call")
        self._add_item(item)
        place = self._place | {"call_id": item.call_id}
        self._emit("response.function_call_arguments.delta", **place, delta=arguments)
        item.arguments = arguments
        named = {"name": name} if self._dialect.name == "ga" else {}
        self._emit("response.function_call_arguments.done", **place, arguments=arguments, **named)
        self._end_item("completed")

    def finish(self, status: str = "completed", reason: str | None = None, error: Json | None = None) -> None:
        """Ends the response, whatever is still open in it."""
        if self._open is not None:
            self.end_message("incomplete")
        details: Json | None = None
        if status != "completed":
            details = {"type": status}
            if reason:
                details["reason"] = reason
            if error:
                details["error"] = error
        self._emit("response.done", response=self._wire(status, details))
        limits = [
            {"name": "requests", "limit": 10000, "remaining": 9999, "reset_seconds": 0.006},
            {"name": "tokens", "limit": 1000000, "remaining": 999000, "reset_seconds": 0.06},
        ]
        self._emit("rate_limits.updated", rate_limits=limits)

    @property
    def _spoken(self) -> bool:
        return self.response.config.modality == "audio"

    @property
    def _item(self) -> Item:
        assert self._open is not None, "no item is open"
        return self._open

    @property
    def _place(self) -> Json:
        return {
            "response_id": self.response.id,
            "item_id": self._item.id,
            "output_index": len(self.response.output) - 1,
        }

    def _add_item(self, item: Item) -> None:
        self._open = item
        self.response.output.append(item)
        place = {"response_id": self.response.id, "output_index": len(self.response.output) - 1}
        self._emit("response.output_item.added", **place, item=self._dialect.item(item))
        if self.response.in_conversation:
            self._previous = self._join(item)
            wire = self._dialect.item(item)
            self._emit("conversation.item.added", previous_item_id=self._previous, item=wire)

    def _end_item(self, status: Status) -> None:
        item, self._open = self._item, None
        item.status = status
        wire = self._dialect.item(item)
        if self.response.in_conversation:
            self._emit("conversation.item.done", previous_item_id=self._previous, item=wire)
        place = {"response_id": self.response.id, "output_index": len(self.response.output) - 1}
        self._emit("response.output_item.done", **place, item=wire)

    def _wire(self, status: str, details: Json | None = None) -> Json:
        response = self.response
        return self._dialect.response(response.config) | {
            "id": response.id,
            "object": "realtime.response",
            "status": status,
            "status_details": details,
            "output": [self._dialect.item(item) for item in response.output],
            "conversation_id": response.conversation_id,
            "metadata": response.metadata,
            "usage": None if status == "in_progress" else response.usage.wire(response.output),
        }
