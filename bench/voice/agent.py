"""The model's side of the laboratory's calls: a Realtime server in a thread of this process, so that one
clock stamps what it sends, what reaches it and what the callers hear.

What the agent does in each session is a *part*, a coroutine over ``Session``. It speaks given samples, in
deltas of 200 ms sent four times faster than they are heard; interrupted, it sends a little more of the old
response before it says that it is cancelled, as a server far away does.
"""

import asyncio
import json
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bot.offline.formats import resample

RATE_HZ, LINE_HZ = 24000, 8000
DELTA_S, DELTA_EVERY_S = 0.2, 0.05
STRAY_DELTAS = 3
"""Deltas of a cancelled response that were under way."""


class Speech:
    """Samples at 8 kHz, made ready to be sent as deltas; ``mark`` is whatever tells it from others."""

    def __init__(self, samples: NDArray[np.float64], mark: int = 0) -> None:
        self.mark = mark
        pcm = resample(np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes(), LINE_HZ, RATE_HZ)
        size = round(DELTA_S * RATE_HZ) * 2
        self.seconds = len(samples) / LINE_HZ
        self.ending = np.rint(samples[-LINE_HZ:]).astype(np.int16)
        self.deltas = [b64encode(pcm[at : at + size]).decode() for at in range(0, len(pcm), size)]


class Cut(NamedTuple):
    """A truncation that the bot asked for."""

    time: float
    item_id: str
    audio_end_ms: int


class Spoken(NamedTuple):
    """A response, and when it began to be sent."""

    time: float
    item_id: str
    speech: Speech


@dataclass
class Session:
    """One call, as the model sees it. Times are ``time.monotonic``; ``caller`` is the phone's account."""

    connection: ServerConnection
    caller: str = ""
    appended: list[tuple[float, bytes]] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    cancelled: list[float] = field(default_factory=list)
    spoken: list[Spoken] = field(default_factory=list)
    told: list[float] = field(default_factory=list)  # when the model said that it heard the caller
    heard: asyncio.Event = field(default_factory=asyncio.Event)  # the caller's audio has begun to come
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)

    async def say(self, speech: Speech, *, call: str = "") -> float:
        """One response: ``speech``, and a call of the function ``call``. Returns when its audio began."""
        self.interrupted.clear()
        number = len(self.spoken)
        names = {"response_id": f"resp_{number}"}
        item: dict[str, Any] = {"item_id": f"item_{number}", "output_index": 0, "content_index": 0}
        await self._send("response.created", response={"id": names["response_id"], "status": "in_progress"})
        began = time.monotonic()
        self.spoken.append(Spoken(began, item["item_id"], speech))
        stray = STRAY_DELTAS
        for sent, delta in enumerate(speech.deltas):
            if self.interrupted.is_set():
                if not stray:
                    break
                stray -= 1
            await self._send("response.output_audio.delta", delta=delta, **names, **item)
            await asyncio.sleep(began + (sent + 1) * DELTA_EVERY_S - time.monotonic())
        await self._send("response.output_audio.done", **names, **item)
        if call:
            await self._send("response.output_item.done", item=_call(call), **names)
        status = "cancelled" if self.interrupted.is_set() else "completed"
        await self._send("response.done", response={"id": names["response_id"], "status": status})
        return began

    async def say_until(self, speech: Speech) -> bool:
        """One response, then wait until it has been heard (False) or cut off (True)."""
        began = await self.say(speech)
        return await self.interrupted_within(began + speech.seconds - time.monotonic())

    async def interrupted_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self.interrupted.wait(), max(seconds, 0.0))
        except TimeoutError:
            return False
        return True

    async def hear(self) -> None:
        """Say that the caller speaks, as the model's own voice detector does."""
        message = json.dumps({"type": "input_audio_buffer.speech_started", "item_id": "heard"})
        self.told.append(time.monotonic())
        await self.connection.send(message)

    # ------------------------------------------------------------------ the wire

    async def receive(self) -> None:
        """Take in what the bot sends, until it hangs up."""
        async for message in self.connection:
            event = json.loads(message)
            match event["type"]:
                case "input_audio_buffer.append":
                    self.appended.append((time.monotonic(), b64decode(event["audio"])))
                    self.heard.set()
                case "session.update":
                    self.caller = event["session"]["instructions"].strip()
                    await self._send("session.updated", session=event["session"])
                case "response.cancel":
                    self.cancelled.append(time.monotonic())
                    self.interrupted.set()
                case "conversation.item.truncate":
                    self.cuts.append(Cut(time.monotonic(), event["item_id"], event["audio_end_ms"]))
                    self.interrupted.set()

    async def _send(self, kind: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"type": kind, **fields}))

    # ------------------------------------------------------------------ what it heard

    def audio(self, begin: float, end: float) -> NDArray[np.int16]:
        """What the model was sent of the caller, at 24 kHz, between two moments of its own clock, which
        began with the first sample that came."""
        if not self.appended:
            return np.zeros(0, np.int16)
        pcm = np.frombuffer(b"".join(audio for _, audio in self.appended), "<i2")
        first = self.appended[0][0]
        return pcm[max(0, round((begin - first) * RATE_HZ)) : max(0, round((end - first) * RATE_HZ))]

    def came(self, begin: float, end: float) -> NDArray[np.int16]:
        """What arrived between two moments, whatever time it tells of."""
        parts = [audio for when, audio in self.appended if begin <= when < end]
        return np.frombuffer(b"".join(parts), "<i2")


Part = Callable[[Session], Coroutine[Any, Any, None]]


class Agent:
    """``with Agent() as agent: agent.part = …``: the server at ``agent.url``, and its ``sessions``."""

    def __init__(self) -> None:
        self.part: Part = silent
        self.sessions: list[Session] = []
        self.url = ""
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="agent", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    def session(self, caller: str) -> Session:
        """The latest call of a phone's account."""
        return next(session for session in reversed(self.sessions) if session.caller == caller)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        async with serve(self._session, "127.0.0.1", 0, compression=None) as server:
            self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"
            self._ready.set()
            await self._over.wait()

    async def _session(self, connection: ServerConnection) -> None:
        session = Session(connection)
        self.sessions.append(session)
        await connection.send(json.dumps({"type": "session.created", "session": {"id": "lab"}}))
        part = asyncio.create_task(self._play(session))
        try:
            await session.receive()
        except ConnectionClosed:
            pass
        finally:
            part.cancel()
            await asyncio.wait([part])

    async def _play(self, session: Session) -> None:
        await session.heard.wait()
        try:
            await self.part(session)
        except ConnectionClosed:
            pass


async def silent(session: Session) -> None:
    """The part of an agent who says nothing."""


def _call(name: str) -> dict[str, str]:
    fields = {"id": "item_call", "type": "function_call", "status": "completed"}
    return {**fields, "call_id": "call_1", "name": name, "arguments": "{}"}
