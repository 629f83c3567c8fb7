"""All callers in one cheap process: 50 RTP packets a second and call on absolute deadlines, and what is
heard.

One socket serves all calls; a call is told from the others by the bot's port. Arrivals are the kernel's
time stamps, so this process may read them a millisecond later and measure no less exactly. It wakes 1000
times a second however many calls there are. ``python -m bench.peer_callers half|all`` prints its UDP
port; a datagram of JSON adds a call; JSON lines on stdin begin and end a measurement.
"""

import contextlib
import json
import random
import select
import socket
import struct
import sys
import time
from array import array
from typing import Any

import numpy as np

from bench.child import reply
from bench.timetable import MARK_PCM, Talk, caller_talks, noise, voice
from bot.audio.g711 import FRAME_BYTES, ULAW

PERIOD_S = 0.020
SLOTS = 20
MARK_EVERY = 25
SO_TIMESTAMPNS = 35
RECEIVE_BUFFER = 8 * 2**20
HEADER = struct.Struct("!BBHII")
SEQUENCE = struct.Struct("!H")
TIMESPEC = struct.Struct("qq")
MOST_LOST = 1000
"""A greater step of the sequence is another stream."""


def _frames(pcm: bytes) -> list[bytes]:
    g711 = ULAW.encode(pcm)
    return [g711[at : at + FRAME_BYTES] for at in range(0, len(g711), FRAME_BYTES)]


VOICE, NOISE = _frames(voice(2.0, 8000)), _frames(noise(2.0, 8000))
MARK = ULAW.encode(struct.pack("<h", MARK_PCM)) * FRAME_BYTES


class Caller:
    """The stream of one call, both ways."""

    __slots__ = ("address", "heard", "index", "last", "sent", "sequence", "ssrc", "timestamp")

    def __init__(self, index: int, address: tuple[str, int]) -> None:
        self.index = index
        self.address = address
        self.ssrc = random.getrandbits(32)
        self.sequence = random.getrandbits(16)
        self.timestamp = random.getrandbits(32)
        self.sent = index  # so that the marks of the calls are spread
        self.last = 0.0
        self.heard: int | None = None

    def packet(self, now: float, talk: Talk) -> tuple[bytes, bool]:
        """The next datagram, and whether it is marked."""
        self.sent += 1
        mark, payload = False, NOISE[self.sent % len(NOISE)]
        if caller_talks(self.index, now, talk):
            mark = self.sent % MARK_EVERY == 0
            payload = MARK if mark else VOICE[self.sent % len(VOICE)]
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + FRAME_BYTES) & 0xFFFFFFFF
        return HEADER.pack(0x80, 0, self.sequence, self.timestamp, self.ssrc) + payload, mark


class Seen:
    """One measurement. Times are ``CLOCK_MONOTONIC``, in seconds."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.cpu = time.process_time()
        self.gaps = array("d")
        self.lateness = array("d")
        self.marks: list[tuple[int, float]] = []
        self.markers: list[tuple[int, float]] = []
        self.sent = self.lost = 0

    def report(self) -> dict[str, Any]:
        return {
            "gaps_ms": _percentiles(self.gaps),
            "late_ms": _percentiles(self.lateness),
            "received": len(self.gaps),
            "sent": self.sent,
            "lost": self.lost,
            "marks": self.marks,
            "markers": self.markers,
            "cpu": (time.process_time() - self.cpu) / (time.monotonic() - self.began),
        }


def _percentiles(seconds: "array[float]") -> dict[str, float]:
    values = np.asarray(seconds) * 1000 if seconds else np.zeros(1)
    names = {"p50": 50, "p95": 95, "p99": 99, "max": 100}
    return {name: round(float(np.percentile(values, share)), 3) for name, share in names.items()}


class Callers:
    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._slots: list[list[Caller]] = [[] for _ in range(SLOTS)]
        self._by_address: dict[tuple[str, int], Caller] = {}
        self._seen = Seen()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._epoch = time.time() - time.monotonic()  # the kernel stamps with CLOCK_REALTIME
        reply({"port": self._socket.getsockname()[1]})

    def run(self) -> None:
        """Until stdin ends."""
        tick, began = 0, time.monotonic()
        while True:
            deadline = began + tick * PERIOD_S / SLOTS
            if (wait := deadline - time.monotonic()) > 0:
                time.sleep(wait)
            self._send(self._slots[tick % SLOTS], deadline)
            self._drain()
            tick += 1
            if tick % SLOTS == 0 and select.select([sys.stdin], [], [], 0)[0]:
                if not (line := sys.stdin.readline()):
                    return
                self._command(json.loads(line)["do"])

    def _command(self, do: str) -> None:
        seen, self._seen = self._seen, Seen()
        reply(seen.report() if do == "end" else {})

    def _send(self, slot: list[Caller], deadline: float) -> None:
        if not slot:
            return
        seen = self._seen
        now = time.monotonic()
        seen.lateness.append(now - deadline)
        for caller in slot:
            packet, mark = caller.packet(now, self._talk)
            if mark:
                seen.marks.append((caller.index, time.monotonic()))
            with contextlib.suppress(OSError):  # the bot's socket is gone
                self._socket.sendto(packet, caller.address)
        seen.sent += len(slot)

    def _drain(self) -> None:
        receive, arrived = self._socket.recvmsg, self._arrived
        while True:
            try:
                data, ancillary, _, address = receive(512, 64)
            except BlockingIOError:
                return
            except OSError:
                continue
            if data[0] == 0x80:
                arrived(data, ancillary[0][2], address)
            else:
                self._add(**json.loads(data))

    def _add(self, index: int, port: int) -> None:
        caller = Caller(index, ("127.0.0.1", port))
        self._by_address[caller.address] = caller
        self._slots[index % SLOTS].append(caller)

    def _arrived(self, data: bytes, stamp: bytes, address: tuple[str, int]) -> None:
        caller = self._by_address.get(address)
        if caller is None:
            return
        seconds, nanoseconds = TIMESPEC.unpack(stamp)
        when = seconds + nanoseconds / 1e9
        (sequence,) = SEQUENCE.unpack_from(data, 2)
        if caller.heard is not None:
            self._seen.gaps.append(when - caller.last)
            missing = (sequence - caller.heard - 1) & 0xFFFF
            if 0 < missing < MOST_LOST:
                self._seen.lost += missing
        caller.heard, caller.last = sequence, when
        if data[1] & 0x80:
            self._seen.markers.append((caller.index, when - self._epoch))


if __name__ == "__main__":
    Callers("all" if sys.argv[1] == "all" else "half").run()
