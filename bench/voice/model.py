"""The model of the laboratory: a Realtime server (ga) in a thread of this process.

It keeps every sample that it is sent, with the time at which it came, says only what it is told to, and
hears turns with the embedded model's detector. It never answers on its own.
"""

import asyncio
import base64
import json
import threading
import time
from collections.abc import Coroutine
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bot.offline.hearing import Heard, InputBuffer

RATE_HZ = 24000
DELTA_BYTES = 200 * RATE_HZ * 2 // 1000
MODEL_SILENCE_MS = 500
TURN_DETECTION = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": MODEL_SILENCE_MS,
}


class Session:
    """One call's session. Times are ``time.monotonic`` seconds; ``received`` is PCM16 at 24 kHz."""

    def __init__(self, socket: ServerConnection, loop: asyncio.AbstractEventLoop, number: int) -> None:
        self.received = bytearray()
        self.arrivals: list[tuple[float, int]] = []
        """When audio came, and how many samples had come by then."""
        self.edges: list[tuple[float, Heard]] = []
        """Where the detector of turns heard speech begin and end."""
        self.events: list[tuple[float, dict[str, Any]]] = []
        """All else that came."""
        self.ready = threading.Event()
        self._socket = socket
        self._loop = loop
        self._number = number
        self._said = 0
        self._input = InputBuffer("audio/pcm", TURN_DETECTION)

    def say(self, pcm: bytes, *, within_s: float = 0.0) -> str:
        """Speak PCM16 at 24 kHz as one response, its deltas spread over ``within_s``; returns the item's id
        when the last has been sent.
        """
        self._said += 1
        item_id = f"item_{self._number}_{self._said}"
        asyncio.run_coroutine_threadsafe(self._say(pcm, item_id, within_s), self._loop).result()
        return item_id

    async def serve(self) -> None:
        await self._send("session.created", session={"id": f"sess_{self._number}", "type": "realtime"})
        try:
            async for message in self._socket:
                await self._take(json.loads(message))
        except ConnectionClosed:
            pass

    async def _take(self, event: dict[str, Any]) -> None:
        now = time.monotonic()
        if event["type"] == "input_audio_buffer.append":
            pcm = base64.b64decode(event["audio"])
            self.received += pcm
            self.arrivals.append((now, len(self.received) // 2))
            self.edges += [(now, edge) for edge in self._input.append(pcm)]
            return
        self.events.append((now, event))
        if event["type"] == "session.update":
            await self._send("session.updated", session=event["session"])
            self.ready.set()

    async def _say(self, pcm: bytes, item_id: str, within_s: float) -> None:
        response = {"response_id": item_id.replace("item", "resp")}
        place = {**response, "item_id": item_id, "output_index": 0, "content_index": 0}
        message = {"id": item_id, "type": "message", "role": "assistant"}
        await self._send(
            "response.created", response={"id": response["response_id"], "status": "in_progress"}
        )
        await self._send("response.output_item.added", item=message, **response)
        began = time.monotonic()
        for at in range(0, len(pcm), DELTA_BYTES):
            await asyncio.sleep(began + within_s * at / len(pcm) - time.monotonic())
            delta = base64.b64encode(pcm[at : at + DELTA_BYTES]).decode()
            await self._send("response.output_audio.delta", delta=delta, **place)
        await self._send("response.output_audio.done", **place)
        await self._send("response.output_item.done", item={**message, "status": "completed"}, **response)
        await self._send("response.done", response={"id": response["response_id"], "status": "completed"})

    async def _send(self, kind: str, **fields: Any) -> None:
        await self._socket.send(json.dumps({"type": kind, **fields}))


class Model:
    """``with Model() as model: model.url``; ``sessions`` in the order in which they came."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lab-model", daemon=True)
        self._server: Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}/v1/realtime"

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self._run(self._server.wait_closed())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> Server:
        return await serve(self._serve, "127.0.0.1", 0, compression=None, max_size=None)

    async def _serve(self, socket: ServerConnection) -> None:
        session = Session(socket, self._loop, len(self.sessions))
        self.sessions.append(session)
        await session.serve()

    def _run(self, job: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(10)
