"""What a call needs of its edges, as small protocols; ``app`` brings the concrete things."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from bot.call.keypad import Gathered, GatherParams
from bot.call.tape import Ended


class Model(Protocol):
    """The Realtime model of one call (``bot.realtime.client.RealtimeClient``)."""

    @property
    def asked_id(self) -> str:
        """The event in which a response was asked for that has not begun, or nothing; a fault names the event
        that it answers, if the server does."""

    def append(self, audio: bytes) -> None: ...
    def tell(self, text: str) -> None: ...
    def listen_only(self, on: bool) -> None: ...
    def respond(self, response: dict[str, Any] | None = None) -> None: ...
    def answer(self, response_id: str, call_id: str, output: str, *, respond: bool = True) -> None: ...
    def said(self, text: str) -> None: ...
    def late(self, response_id: str, call_id: str) -> None: ...
    def meanwhile(self, response: dict[str, Any]) -> None: ...
    def forget(self) -> None: ...
    def interrupt(self, heard: Sequence[tuple[str, int]]) -> None: ...
    def instruct(self, text: str) -> None: ...


Party = Literal["agent", "caller", "destination", "bot", "model", "asterisk", "operator"]


@dataclass(frozen=True, slots=True)
class Departure:
    """How a call is left: hung up, or sent on in the dialplan. ``reason`` is kept in the call's record.
    ``aside``: only the agent leaves, for another talk on the same call; nothing is said for it.
    ``connected``: the caller talked to a destination, and one of them hung up; ``by`` the bot: it stops, and
    they go on.

    ``say`` tells the model what to say before, when no function call has told it.
    """

    kind: Literal["hangup", "continue", "aside", "connected"]
    by: Party
    reason: str
    say: str = ""
    context: str | None = None
    exten: str | None = None
    priority: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Taken:
    """A message as it was spoken. ``spoken``: there was a voice in it. ``audio`` is PCM16 at 8 kHz."""

    seconds: float
    ended: Ended
    spoken: bool
    transcript: str
    audio: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A message and whose it is. ``began_at`` is Unix time."""

    call_id: str
    caller_number: str
    caller_name: str
    dialled_number: str
    agent: str
    began_at: float
    seconds: float
    ended: Ended
    transcript: str
    audio: bytes


class Mailbox(Protocol):
    """Where messages are kept (``bot.records.mailbox.Mailbox``)."""

    def keep(self, message: Message) -> None: ...


class AnsweringControl(Protocol):
    """Taking messages, for a tool."""

    async def take(self) -> Taken | None:
        """One message; None when another is being taken, or the call is being left."""


class KeyControl(Protocol):
    """The phone's keys, for a tool."""

    async def gather(self, params: GatherParams) -> Gathered | None:
        """The digits that the caller types; None when another gather goes on."""

    async def gather_privately(self, params: GatherParams) -> Gathered | None:
        """The same; meanwhile nothing of the caller is recorded, logged or heard by the model."""

    async def send(self, digits: str) -> bool:
        """Tones to the far end, once the agent is silent; False when the call is being left."""


class Desk(Protocol):
    """What takes longer than leaving. Each says in words what prevented it; empty when it was done."""

    async def hand_off(self, agent: str, note: str) -> str:
        """Another agent takes the call over, and is told ``note``."""

    async def consult(self, destination: str, summary: str) -> str:
        """Somebody is called for the caller, told ``summary``, and connected when they agree."""

    def decide(self, *, accept: bool) -> str:
        """What they say to that."""


class CallControl(Protocol):
    """What a tool may do to its call."""

    @property
    def desk(self) -> Desk: ...

    @property
    def call_id(self) -> str: ...

    @property
    def keys(self) -> KeyControl: ...

    @property
    def answering(self) -> AnsweringControl: ...

    def leave(self, departure: Departure) -> bool:
        """Let the farewell be heard, then go. False when the call is being left already."""
