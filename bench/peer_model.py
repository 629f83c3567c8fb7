"""The model's side of all calls in one cheap process: real WebSocket framing, and almost nothing behind
it.

The agent talks by the timetable. Its deltas of 200 ms are encoded once; a second of audio leaves every
200 ms, five times faster than it is heard, with the events around it that OpenAI sends. What comes up is
searched for the callers' marks without being decoded. ``python -m bench.peer_model half|all
[CERTIFICATE KEY]`` prints its port; with a certificate it speaks TLS.
"""

import asyncio
import itertools
import json
import ssl
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, cast

import uvloop
from websockets.utils import accept_key

from bench.child import reply
from bench.timetable import AGENT_S, CALLER_FROM_S, CALLER_UNTIL_S, Talk, until_agent, voice
from bot.audio.g711 import ULAW

DELTA_MS = 200
BURST_DELTAS = 5
BURST_EVERY_S = 0.2
LEAD_BURSTS = 1
"""The agent that talks all the time is this many seconds ahead."""

APPEND_AUDIO_AT = len('{"type":"input_audio_buffer.append","audio":"')
TYPE_AT = len('{"type":"')
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#: The second character of a group of four holds the upper half of a sample's high byte: 4 to 7 from 16384 on.
MARKED_PCM = frozenset(code for value, code in enumerate(ALPHABET) if 4 <= value & 15 <= 7)
BYTES_PER_MS = {"pcm16": 48, "g711_ulaw": 8}


def chunks(audio_format: str) -> list[bytes]:
    """The agent's voice: base64 of 200 ms each."""
    pcm = voice(AGENT_S, 24000 if audio_format == "pcm16" else 8000)
    audio = pcm if audio_format == "pcm16" else ULAW.encode(pcm)
    size = DELTA_MS * BYTES_PER_MS[audio_format]
    return [b64encode(audio[at : at + size]) for at in range(0, len(audio), size)]


def framed(payload: bytes, opcode: int = 1) -> bytes:
    """One unmasked frame of a server (RFC 6455 section 5.2)."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, size))
    elif size < 2**16:
        head = bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big")
    return head + payload


def frames(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """The whole masked frames in ``data``: opcode, where its mask is, where it begins, where it ends."""
    at = 0
    while len(data) - at >= 6:
        size, mask = data[at + 1] & 0x7F, at + 2
        if size == 126:
            size, mask = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        elif size == 127:
            size, mask = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
        end = mask + 4 + size
        if end > len(data):
            return
        yield data[at] & 0x0F, mask, mask + 4, end
        at = end


class Seen:
    """One measurement. Times are ``CLOCK_MONOTONIC``, in seconds."""

    def __init__(self) -> None:
        self.began, self.cpu = time.monotonic(), time.process_time()
        self.marks: list[tuple[int, float]] = []
        self.firsts: list[tuple[int, float]] = []
        self.appends = 0

    def report(self) -> dict[str, Any]:
        cpu = (time.process_time() - self.cpu) / (time.monotonic() - self.began)
        return {"marks": self.marks, "firsts": self.firsts, "appends": self.appends, "cpu": cpu}


class Desk:
    """What the connections share."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.chunks = {name: chunks(name) for name in BYTES_PER_MS}
        self.seen = Seen()
        self.unnumbered = itertools.count()


class Session(asyncio.Protocol):
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._open = False
        self._index = -1
        self._format = "pcm16"
        self._responses = 0
        self._timers: list[asyncio.TimerHandle] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in self._timers:
            timer.cancel()

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if self._rest:
            data, self._rest = self._rest + data, b""
        if not self._open:
            self._handshake(data)
            return
        end = 0
        for opcode, mask, begin, end in frames(data):
            if opcode == 1 and data[begin + TYPE_AT] ^ data[mask + TYPE_AT % 4] == 0x69:  # "i", of "input_"
                self._append(data, mask, begin, end, now)
            else:
                self._message(opcode, _unmasked(data, mask, begin, end))
        self._rest = data[end:]

    # ------------------------------------------------------------------ from the bot

    def _handshake(self, data: bytes) -> None:
        if not data.endswith(b"\r\n\r\n"):
            self._rest = data
            return
        lines = dict(line.split(": ", 1) for line in data.decode().split("\r\n")[1:] if ": " in line)
        key = next(value for name, value in lines.items() if name.lower() == "sec-websocket-key")
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_key(key).encode() + b"\r\n\r\n"
        )
        self._open = True
        self._send(type="session.created", session={"id": "sess_bench", "type": "realtime"})

    def _append(self, data: bytes, mask: int, begin: int, end: int, now: float) -> None:
        seen = self._desk.seen
        seen.appends += 1
        # The middle of the audio, at a group of four characters that begins with a sample.
        offset = APPEND_AUDIO_AT + (end - begin - APPEND_AUDIO_AT) // 2 // 8 * 8 + 1
        if self._format == "pcm16" and data[begin + offset] ^ data[mask + offset % 4] in MARKED_PCM:
            seen.marks.append((self._index, now))

    def _message(self, opcode: int, payload: bytes) -> None:
        if opcode == 8:
            self._transport.write(framed(payload[:2], 8))
            self._transport.close()
        elif opcode == 9:
            self._transport.write(framed(payload, 10))
        elif opcode == 1:
            event = json.loads(payload)
            if event["type"] == "session.update":
                self._update(event["session"])
            elif event["type"] == "response.create":
                self._begin_by_timetable()

    def _update(self, session: dict[str, Any]) -> None:
        """The call's number is in the instructions, where the callers have numbers; others are counted."""
        words = session["instructions"].split()
        self._index = int(words[0]) if words and words[0].isdigit() else next(self._desk.unnumbered)
        if session["audio"]["output"]["format"]["type"] == "audio/pcmu":
            self._format = "g711_ulaw"
        self._send(type="session.updated", session=session)

    # ------------------------------------------------------------------ to the bot

    def _begin_by_timetable(self) -> None:
        if not self._timers:
            lead = LEAD_BURSTS if self._desk.talk == "all" else 0
            self._later(until_agent(self._index, time.monotonic(), self._desk.talk), self._talk, lead)

    def _later(self, seconds: float, callback: Any, *arguments: Any) -> None:
        now = self._loop.time()
        self._timers = [timer for timer in self._timers if timer.when() > now]
        self._timers.append(self._loop.call_later(seconds, callback, *arguments))

    def _talk(self, lead: int = 0) -> None:
        self._responses += 1
        names = {"response_id": f"resp_{self._index}_{self._responses}"}
        item = {"item_id": f"item_{self._index}_{self._responses}", "output_index": 0, "content_index": 0}
        self._later(0.1 + until_agent(self._index, time.monotonic() + 0.1, self._desk.talk), self._talk)
        if self._desk.talk == "half":
            self._later(CALLER_FROM_S + 0.2, self._caller, "started", CALLER_FROM_S)
            self._later(CALLER_UNTIL_S, self._caller, "stopped", CALLER_UNTIL_S)
        self._send(type="response.created", response={"id": names["response_id"], "status": "in_progress"})
        message = {"id": item["item_id"], "type": "message"}
        self._send(type="response.output_item.added", item=message, **names)
        self._send(type="response.content_part.added", part={"type": "audio"}, **names, **item)
        self._desk.seen.firsts.append((self._index, time.monotonic()))
        bursts = lead + round(AGENT_S * 1000 / DELTA_MS / BURST_DELTAS)
        self._burst(names, item, bursts)

    def _burst(self, names: dict[str, Any], item: dict[str, Any], left: int) -> None:
        kind = "response.output_audio"
        head = json.dumps({"type": f"{kind}.delta", **names, **item})[:-1].encode() + b', "delta": "'
        pieces = self._desk.chunks[self._format]
        start = (left % (len(pieces) // BURST_DELTAS)) * BURST_DELTAS
        for piece in pieces[start : start + BURST_DELTAS]:
            self._transport.write(framed(head + piece + b'"}'))
        self._send(type=f"{kind}_transcript.delta", delta="and so on ", **names, **item)
        if left > 1:
            self._later(BURST_EVERY_S, self._burst, names, item, left - 1)
            return
        self._send(type=f"{kind}.done", **names, **item)
        self._send(type=f"{kind}_transcript.done", transcript="And so on.", **names, **item)
        done = {"id": item["item_id"], "type": "message", "status": "completed"}
        self._send(type="response.content_part.done", part={"type": "audio"}, **names, **item)
        self._send(type="response.output_item.done", item=done, **names)
        self._send(type="response.done", response={"id": names["response_id"], "status": "completed"})

    def _caller(self, what: str, at_s: float) -> None:
        key = "audio_start_ms" if what == "started" else "audio_end_ms"
        name = f"input_audio_buffer.speech_{what}"
        self._send(type=name, item_id=f"heard_{self._index}_{self._responses}", **{key: round(at_s * 1000)})

    def _send(self, **event: Any) -> None:
        self._transport.write(framed(json.dumps(event).encode()))


def _unmasked(data: bytes, mask: int, begin: int, end: int) -> bytes:
    return bytes(data[at] ^ data[mask + (at - begin) % 4] for at in range(begin, end))


async def serve(talk: Talk, certificate: list[str]) -> None:
    loop = asyncio.get_running_loop()
    desk = Desk(talk)
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*certificate)
    server = await loop.create_server(lambda: Session(desk), "127.0.0.1", 0, ssl=tls)
    reply({"port": server.sockets[0].getsockname()[1]})
    over = loop.create_future()

    def command() -> None:
        if not (line := sys.stdin.readline()):
            loop.remove_reader(sys.stdin)
            over.set_result(None)
            return
        seen, desk.seen = desk.seen, Seen()
        reply(seen.report() if json.loads(line)["do"] == "end" else {})

    loop.add_reader(sys.stdin, command)
    await over


if __name__ == "__main__":
    uvloop.run(serve("all" if sys.argv[1] == "all" else "half", sys.argv[2:]))
