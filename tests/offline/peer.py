"""A Realtime client for tests of the embedded model: the pure session driven by hand, or a WebSocket."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import numpy as np
import openai.types.beta.realtime as beta_types
import openai.types.realtime as ga_types
from pydantic import Field, TypeAdapter
from websockets.asyncio.client import ClientConnection, connect

from bot.offline.dialect import DIALECTS
from bot.offline.orders import Answer, Halt, Hear, Send
from bot.offline.session import Session
from bot.offline.voice import synthetic_speech

Event = dict[str, Any]

SERVER_EVENTS: dict[str, TypeAdapter[Any]] = {
    "ga": TypeAdapter(Annotated[ga_types.RealtimeServerEvent, Field(discriminator="type")]),
    "beta": TypeAdapter(Annotated[beta_types.RealtimeServerEvent, Field(discriminator="type")]),
}
CLIENT_EVENTS: dict[str, TypeAdapter[Any]] = {
    "ga": TypeAdapter(Annotated[ga_types.RealtimeClientEvent, Field(discriminator="type")]),
    "beta": TypeAdapter(Annotated[beta_types.RealtimeClientEvent, Field(discriminator="type")]),
}
HANGUP = {
    "type": "function",
    "name": "hangup_call",
    "description": "End the call",
    "parameters": {"type": "object", "properties": {}},
}


def speech(ms: int, gain: float = 1.0) -> bytes:
    """PCM16 at 24 kHz, as loud as a voice times ``gain``."""
    samples = np.frombuffer(synthetic_speech(ms / 1000), dtype="<i2") * gain
    return bytes(samples.clip(-32768, 32767).astype("<i2").tobytes())


def silence(ms: int) -> bytes:
    """Silent PCM16 at 24 kHz."""
    return bytes(48 * ms)


def appends(audio: bytes, step: int = 960) -> Iterator[Event]:
    for at in range(0, len(audio), step):
        yield {
            "type": "input_audio_buffer.append",
            "audio": base64.b64encode(audio[at : at + step]).decode(),
        }


class Driver:
    """The pure session, its edge played by the test. Every event is checked against OpenAI's types."""

    def __init__(self, dialect: Literal["ga", "beta"] = "ga", model: str = "gpt-realtime") -> None:
        self.dialect: str = dialect
        self.session = Session(DIALECTS[dialect], model, 2_000_000_000)
        self.hears: list[Hear] = []
        self.answers: list[Answer] = []
        self.halts: list[Halt] = []
        self.session.open()
        self.opening = self.drain()

    def send(self, event_type: str, **fields: Any) -> list[Event]:
        return self.send_raw(json.dumps({"type": event_type, **fields}))

    def send_raw(self, frame: str) -> list[Event]:
        self.session.receive(frame)
        return self.drain()

    def update(self, **session: Any) -> list[Event]:
        if self.dialect == "ga":
            session = {"type": "realtime", **session}
        return self.send("session.update", session=session)

    def hear(self, audio: bytes) -> list[Event]:
        return [event for append in appends(audio) for event in self.send_raw(json.dumps(append))]

    def speak(self, words: str = "Hello.", audio_ms: int = 400) -> list[Event]:
        """Speaks the response that began last, and leaves it open."""
        writer = self.session.writer(self.answers[-1].response_id)
        writer.begin_message()
        writer.words(words)
        writer.audio("AAAA", audio_ms * 48)
        return self.drain()

    def finish(self) -> list[Event]:
        writer = self.session.writer(self.answers[-1].response_id)
        writer.end_message()
        self.session.finish(self.answers[-1].response_id)
        return self.drain()

    def drain(self) -> list[Event]:
        events = []
        for output in self.session.drain():
            match output:
                case Send(event):
                    SERVER_EVENTS[self.dialect].validate_python(event)
                    events.append(event)
                case Hear():
                    self.hears.append(output)
                case Answer():
                    self.answers.append(output)
                case Halt():
                    self.halts.append(output)
        return events


def types(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def only(events: list[Event], event_type: str) -> Event:
    found = [event for event in events if event["type"] == event_type]
    assert len(found) == 1, f"{len(found)} of {event_type} in {types(events)}"
    return found[0]


def refusal(events: list[Event]) -> Event:
    assert types(events) == ["error"]
    error: Event = events[0]["error"]
    return error


class Peer:
    """A WebSocket client that keeps, and checks, everything the server said."""

    def __init__(self, socket: ClientConnection, dialect: str) -> None:
        self.socket = socket
        self.dialect = dialect
        self.events: list[Event] = []

    async def send(self, event_type: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": event_type, **fields}))

    async def hear(self, audio: bytes, step: int = 960) -> None:
        for append in appends(audio, step):
            await self.socket.send(json.dumps(append))

    async def next(self) -> Event:
        event: Event = json.loads(await self.socket.recv())
        SERVER_EVENTS[self.dialect].validate_python(event)
        self.events.append(event)
        return event

    async def until(self, event_type: str, timeout_s: float = 20) -> Event:
        async with asyncio.timeout(timeout_s):
            while True:
                event = await self.next()
                if event["type"] == event_type:
                    return event

    def audio_of(self, response_id: str) -> bytes:
        return b"".join(
            base64.b64decode(event["delta"])
            for event in self.events
            if event["type"] in ("response.output_audio.delta", "response.audio.delta")
            and event["response_id"] == response_id
        )


@asynccontextmanager
async def peer(url: str, dialect: str = "ga", model: str = "gpt-realtime") -> AsyncIterator[Peer]:
    async with connect(f"{url}?model={model}", compression=None, max_size=None) as socket:
        yield Peer(socket, dialect)
