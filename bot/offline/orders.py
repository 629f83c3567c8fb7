"""What comes out of the pure session: events for the client, and orders for the edge."""

from dataclasses import dataclass

from bot.offline.config import Json


@dataclass(frozen=True)
class Send:
    """A server event for the client."""

    event: Json


@dataclass(frozen=True)
class Hear:
    """Turn ``turn`` (from 0) of the caller, PCM16 at ``rate``: to be understood and told to ``heard``."""

    item_id: str
    pcm: bytes
    rate: int
    turn: int


@dataclass(frozen=True)
class Answer:
    """A response has begun: think, then speak through ``writer(response_id)`` and ``finish`` it."""

    response_id: str


@dataclass(frozen=True)
class Halt:
    """The response was cancelled and is already closed: say no more of it."""

    response_id: str


Output = Send | Hear | Answer | Halt
