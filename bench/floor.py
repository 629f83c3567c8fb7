"""The least that can be done: the bare loop that the bot is measured against.

The same work for each call and nothing else: μ-law, resampling and base64 each way, ``websockets``
(Sans-I/O), one pacer, on uvloop. No reordering, no gate, no voice detector, no turn taking, no log.
``python -m bench.floor MODEL_PORT`` takes ``{"first": 0, "calls": 50, "callers": PORT}`` on stdin and
answers when they all talk.
"""

import asyncio
import json
import socket
import struct
import sys
from base64 import b64decode, b64encode
from typing import Any, cast

import orjson
import uvloop
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

from bench.child import reply
from bot.audio.g711 import FRAME_BYTES, ULAW
from bot.audio.resample import Downsampler, Upsampler

PERIOD_S = 0.020
PHASES = 4
SILENCE = ULAW.silence * FRAME_BYTES
HEADER = struct.Struct("!BBHII")


class Model(asyncio.Protocol):
    """The WebSocket of one call."""

    def __init__(self, call: "Call", url: str) -> None:
        self._call = call
        self._protocol = ClientProtocol(parse_uri(url), max_size=None)
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._message(event.data)
            elif isinstance(event, Response):
                self.send(orjson.dumps(_session(self._call.index)))

    def send(self, message: bytes) -> None:
        self._protocol.send_text(message)
        self._flush()

    def _message(self, text: bytes | bytearray | memoryview) -> None:
        event = orjson.loads(text)
        if event["type"] == "response.output_audio.delta":
            self._call.agent(b64decode(event["delta"]))
        elif event["type"] == "session.updated":
            self.send(b'{"type":"response.create"}')
            self.ready.set_result(None)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            self._transport.write(data)


class Call(asyncio.DatagramProtocol):
    """The RTP socket of one call, and its queue."""

    def __init__(self, index: int, callers: tuple[str, int], url: str) -> None:
        self.index = index
        self.model = Model(self, url)
        self._callers = callers
        self._up, self._down = Upsampler(), Downsampler()
        self._queue = bytearray()
        self._sequence = self._timestamp = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        audio = b64encode(self._up.process(ULAW.decode(data[12:])))
        self.model.send(b'{"type":"input_audio_buffer.append","audio":"' + audio + b'"}')

    def agent(self, pcm: bytes) -> None:
        self._queue += ULAW.encode(self._down.process(pcm))

    def tick(self) -> None:
        frame = bytes(self._queue[:FRAME_BYTES]) or SILENCE
        del self._queue[:FRAME_BYTES]
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + FRAME_BYTES) & 0xFFFFFFFF
        self._transport.sendto(
            HEADER.pack(0x80, 0, self._sequence, self._timestamp, self.index) + frame, self._callers
        )


class Pacer:
    def __init__(self) -> None:
        self.phases: list[list[Call]] = [[] for _ in range(PHASES)]
        self._loop = asyncio.get_running_loop()
        for phase in range(PHASES):
            self._arm(phase, self._loop.time() + PERIOD_S * phase / PHASES)

    def _arm(self, phase: int, deadline: float) -> None:
        self._loop.call_at(deadline, self._run, phase, deadline)

    def _run(self, phase: int, deadline: float) -> None:
        for call in self.phases[phase]:
            call.tick()
        self._arm(phase, deadline + PERIOD_S)


def _session(index: int) -> dict[str, Any]:
    audio = {"output": {"format": {"type": "audio/pcm", "rate": 24000}}}
    return {
        "type": "session.update",
        "session": {"type": "realtime", "instructions": f"{index}", "audio": audio},
    }


async def _open(index: int, pacer: Pacer, url: str, callers: tuple[str, int]) -> None:
    loop = asyncio.get_running_loop()
    call = Call(index, callers, url)
    transport, _ = await loop.create_datagram_endpoint(lambda: call, local_addr=("127.0.0.1", 0))
    where = parse_uri(url)
    await loop.create_connection(lambda: call.model, where.host, where.port)
    await call.model.ready
    pacer.phases[index % PHASES].append(call)
    notice = {"index": index, "port": transport.get_extra_info("sockname")[1]}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as letter:
        letter.sendto(json.dumps(notice).encode(), callers)


async def serve(model_port: int) -> None:
    pacer = Pacer()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    async for line in reader:
        command = json.loads(line)
        for index in range(command["first"], command["first"] + command["calls"]):
            await _open(index, pacer, f"ws://127.0.0.1:{model_port}/", ("127.0.0.1", command["callers"]))
        reply({})


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
