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
    ``aside``: only the agent leaves, for another talk on the same call; nothing is said for it.
    ``connected``: the caller talked to a destination, and one of them hung up; ``by`` the bot: it stops, and
    they go on.

    ``say`` tells the model what to say before, when no function call has told it.
    """

    kind: Literal["hangup", "continue", "aside", "connected"]
    by: Literal["agent", "caller", "destination", "bot", "model", "asterisk", "operator"]
    reason: str
    say: str = ""
    context: str | None = None
    exten: str | None = None
    priority: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


class Desk(Protocol):
    """What takes longer than leaving. Each says in words what prevented it; empty when it was done."""

    async def hand_off(self, agent: str, note: str) -> str:
        """Another agent takes the call over, and is told ``note``."""

    async def consult(self, destination: str, summary: str) -> str:
        """Somebody is called for the caller, told ``summary``, and connected when they agree."""

    def decide(self, *, accept: bool) -> None:
        """What they say to that."""


class CallControl(Protocol):
    """What a tool may do to its call."""

    @property
    def desk(self) -> Desk: ...

    def leave(self, departure: Departure) -> None:
        """Let the farewell be heard, then go."""
