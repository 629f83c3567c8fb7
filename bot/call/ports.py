"""What a call needs of its edges, as small protocols; ``app`` brings the concrete things."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol


class Model(Protocol):
    """The Realtime model of one call (``bot.realtime.client.RealtimeClient``)."""

    def append(self, audio: bytes) -> None: ...
    def respond(self, response: dict[str, Any] | None = None) -> None: ...
    def answer(self, response_id: str, call_id: str, output: str, *, respond: bool = True) -> None: ...
    def said(self, text: str) -> None: ...
    def late(self, response_id: str, call_id: str) -> None: ...
    def meanwhile(self, response: dict[str, Any]) -> None: ...
    def forget(self) -> None: ...
    def interrupt(self, heard: Sequence[tuple[str, int]]) -> None: ...
    def instruct(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Departure:
    """How a call is left: hung up, or sent on in the dialplan. ``reason`` is kept in the call's record.

    ``say`` tells the model what to say before, when no function call has told it.
    """

    kind: Literal["hangup", "continue"]
    by: Literal["agent", "caller", "bot", "model", "asterisk", "operator"]
    reason: str
    say: str = ""
    context: str | None = None
    exten: str | None = None
    priority: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


class CallControl(Protocol):
    """What a tool may do to its call."""

    def leave(self, departure: Departure) -> None:
        """Let the farewell be heard, then go."""
