"""A SIP and RTP relay between one phone and Asterisk: sees every packet, and can spoil them on the way.

The phone takes the relay for its server. SDP is rewritten so that the media passes here too; every datagram
is kept with the time at which it came (``time.monotonic``, seconds), so tests read exact times from it.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple, TypeVar, cast

T = TypeVar("T")
Address = tuple[str, int]
MEDIA = re.compile(rb"(?m)^m=audio (\d+) ")
CONNECTION = re.compile(rb"(?m)^c=IN IP4 (\S+)")
LENGTH = re.compile(rb"(?im)^(Content-Length|l)[ \t]*:[ \t]*\d+")
JUST_AFTER_S = 0.0005
CALL_ID = re.compile(rb"(?im)^(?:Call-ID|i)[ \t]*:[ \t]*(\S+)")


@dataclass(frozen=True)
class Impairment:
    """What happens to media one way. Probabilities are 0–1, times milliseconds."""

    loss: float = 0.0
    duplicate: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """Uniform extra delay; the order is kept unless ``reorder``."""
    reorder: float = 0.0
    """Share of packets held back ``reorder_ms`` and overtaken by those behind them."""
    reorder_ms: float = 30.0
    displaced: float = 0.0
    """Share of packets that are sent right after the one or two behind them."""


CLEAN = Impairment()


class Spoiler:
    """One way of one call: the fate of each datagram under an impairment. Times are seconds of any clock."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._due = 0.0
        self._held: list[tuple[int, bytes]] = []

    def fate(self, rule: Impairment, data: bytes, now: float) -> list[tuple[float, bytes]]:
        """What is to be sent because ``data`` came, and when: nothing if it is lost or held back."""
        chance = self._random.random
        if rule.loss and chance() < rule.loss:
            return []
        copies = 2 if rule.duplicate and chance() < rule.duplicate else 1
        if rule.displaced and chance() < rule.displaced:
            self._held.append((self._random.randint(1, 2), data))
            return []
        due = max(now + (rule.delay_ms + rule.jitter_ms * chance()) / 1000, self._due)
        if rule.reorder and chance() < rule.reorder:
            return [(due + rule.reorder_ms / 1000, data)] * copies
        held = [(behind - 1, late) for behind, late in self._held]
        self._held = [(behind, late) for behind, late in held if behind]
        after = due + JUST_AFTER_S
        overtaken = [(after, late) for behind, late in held if not behind]
        self._due = after if overtaken else due
        return [(due, data)] * copies + overtaken


class Packet(NamedTuple):
    """One RTP (or RTCP) datagram: when it came, whence, and how many copies went on at once or after a delay
    (0: lost, or held back behind others).
    """

    time: float
    from_phone: bool
    rtcp: bool
    copies: int
    call_id: str
    data: bytes

    @property
    def payload_type(self) -> int:
        return self.data[1] & 0x7F

    @property
    def sequence(self) -> int:
        return int.from_bytes(self.data[2:4], "big")

    @property
    def timestamp(self) -> int:
        return int.from_bytes(self.data[4:8], "big")

    @property
    def payload(self) -> bytes:
        """Without the header (no CSRC, extension or padding: neither baresip nor Asterisk sends any)."""
        return self.data[12:]


class Message(NamedTuple):
    """One SIP message: when it came and from which side."""

    time: float
    from_phone: bool
    text: str

    @property
    def first_line(self) -> str:
        return self.text.split("\r\n", 1)[0]

    @property
    def method(self) -> str:
        """The request's method, or that of the request which a response answers (from CSeq)."""
        found = re.search(r"(?im)^CSeq[ \t]*:[ \t]*\d+[ \t]+(\w+)", self.text)
        return found.group(1) if found else ""

    @property
    def status(self) -> int:
        """The status of a response; 0 for a request."""
        return int(self.first_line.split()[1]) if self.first_line.startswith("SIP/2.0") else 0

    @property
    def call_id(self) -> str:
        found = CALL_ID.search(self.text.encode())
        return found.group(1).decode() if found else ""


class _Wire(asyncio.DatagramProtocol):
    """One UDP socket on loopback whose datagrams go to ``received(data, address)``."""

    transport: asyncio.DatagramTransport

    def __init__(self, received: Callable[[bytes, Address], None]) -> None:
        self.received = received

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.received(data, addr)

    @property
    def port(self) -> int:
        port: int = self.transport.get_extra_info("sockname")[1]
        return port


class _Media:
    """The media of one call: RTP and RTCP wires towards the phone and towards Asterisk."""

    def __init__(self, relay: Relay, call_id: str) -> None:
        self.relay = relay
        self.call_id = call_id
        self.wires: dict[tuple[bool, bool], _Wire] = {}
        self.peers: dict[bool, Address] = {}
        self.spoilers = {True: Spoiler(relay.random), False: Spoiler(relay.random)}
        self.withheld = 0
        self.resumed = False

    async def open(self) -> None:
        for to_phone in (True, False):
            for rtcp in (False, True):
                port = 0 if not rtcp else self.wires[to_phone, False].port + 1
                try:
                    self.wires[to_phone, rtcp] = await self.relay.bind(self._received(to_phone, rtcp), port)
                except OSError:  # the neighbour port is taken: this call goes without RTCP
                    if not rtcp:
                        raise

    def close(self) -> None:
        for wire in self.wires.values():
            wire.transport.close()

    def _received(self, from_phone: bool, rtcp: bool) -> Callable[[bytes, Address], None]:
        return lambda data, _: self.relay.media(self, data, from_phone, rtcp)

    def close_up(self, data: bytes) -> bytes:
        """The packet with the sequence number it would have, had the withheld ones never been made."""
        if not self.withheld:
            return data
        marker = 0x80 if self.resumed else 0
        self.resumed = False
        sequence = (int.from_bytes(data[2:4], "big") - self.withheld) & 0xFFFF
        return bytes((data[0], data[1] | marker)) + sequence.to_bytes(2, "big") + data[4:]

    def send(self, data: bytes, to_phone: bool, rtcp: bool) -> None:
        peer, wire = self.peers.get(to_phone), self.wires.get((to_phone, rtcp))
        if peer and wire and not wire.transport.is_closing():
            wire.transport.sendto(data, (peer[0], peer[1] + rtcp))


def declined(reply: bytes) -> bytes:
    """A phone's «busy» as «I do not want to» (603), for which baresip has no key."""
    return re.sub(rb"^SIP/2\.0 486 [^\r]*", b"SIP/2.0 603 Decline", reply)


class Relay:
    """Between one phone and the SIP server at ``server``; runs in a thread of its own until ``close``.

    ``from_phone`` and ``to_phone`` may be set at any time; ``packets`` and ``messages`` grow in order of
    arrival. ``suppress`` withholds the phone's RTP as silence suppression does: later the sequence goes on
    without a gap and with a marker, while the timestamp jumps (RFC 3551, section 4.1).
    """

    def __init__(self, server: Address, *, seed: int = 1) -> None:
        self.server = server
        self.from_phone = Impairment()
        self.to_phone = Impairment()
        self.suppress = False
        self.packets: list[Packet] = []
        self.messages: list[Message] = []
        self.random = Random(seed)
        self._phone: Address | None = None
        self._calls: dict[str, _Media] = {}
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        self._down = self._run(self.bind(lambda data, addr: self._signal(data, addr, from_phone=True)))
        self._up = self._run(self.bind(lambda data, addr: self._signal(data, addr, from_phone=False)))
        self.port = self._down.port

    def close(self) -> None:
        """Close every socket and end the thread."""
        if self._loop.is_closed():
            return
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def bind(self, received: Callable[[bytes, Address], None], port: int = 0) -> _Wire:
        _, wire = await self._loop.create_datagram_endpoint(
            lambda: _Wire(received), local_addr=("127.0.0.1", port)
        )
        return wire

    # -- media

    def media(self, call: _Media, data: bytes, from_phone: bool, rtcp: bool) -> None:
        """One datagram of a call: note it, decide its fate, send it on."""
        now = time.monotonic()
        if from_phone and not rtcp:
            if self.suppress:
                call.withheld, call.resumed = call.withheld + 1, True
                self.packets.append(Packet(now, True, False, 0, call.call_id, data))
                return
            data = call.close_up(data)
        rule = self.from_phone if from_phone else self.to_phone
        spoilt = not rtcp and rule != CLEAN
        fate = call.spoilers[from_phone].fate(rule, data, now) if spoilt else [(now, data)]
        copies = sum(sent is data for _, sent in fate)
        self.packets.append(Packet(now, from_phone, rtcp, copies, call.call_id, data))
        for due, sent in fate:
            if spoilt:  # even what is due now: it must not overtake what is nearly due
                self._loop.call_later(due - now, call.send, sent, not from_phone, rtcp)
            else:
                call.send(sent, not from_phone, rtcp)

    # -- signalling

    def _signal(self, data: bytes, address: Address, *, from_phone: bool) -> None:
        if not data.strip():  # a keep-alive
            return
        if from_phone:
            self._phone = address
        self.messages.append(Message(time.monotonic(), from_phone, data.decode(errors="replace")))
        task = self._loop.create_task(self._forward(data, from_phone))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, data: bytes, from_phone: bool) -> None:
        head, _, body = data.partition(b"\r\n\r\n")
        if found := MEDIA.search(body):
            call_id = CALL_ID.search(head)
            call = await self._call(call_id.group(1).decode() if call_id else "")
            host = CONNECTION.search(body)
            call.peers[from_phone] = (host.group(1).decode() if host else self.server[0], int(found.group(1)))
            port = call.wires[not from_phone, False].port
            body = MEDIA.sub(b"m=audio %d " % port, body)
            body = re.sub(rb"(?m)^a=rtcp:.*\r\n", b"", CONNECTION.sub(b"c=IN IP4 127.0.0.1", body))
            head = LENGTH.sub(rb"\1: %d" % len(body), head)
        if from_phone:
            self._up.transport.sendto(head + b"\r\n\r\n" + body, self.server)
            return
        # Asterisk's Contact must lead back here, or the phone would send its BYE past us.
        own = b"127.0.0.1:%d" % self.port
        theirs = b"%s:%d" % (self.server[0].encode(), self.server[1])
        head = re.sub(rb"(?im)^(Contact:.*?)" + theirs, rb"\g<1>" + own, head)
        if self._phone:
            self._down.transport.sendto(head + b"\r\n\r\n" + body, self._phone)

    async def _call(self, call_id: str) -> _Media:
        call = self._calls.get(call_id)
        if call is None:
            call = self._calls[call_id] = _Media(self, call_id)
            await call.open()
        return call

    # -- thread

    def _run(self, job: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(5)

    async def _close(self) -> None:
        for call in self._calls.values():
            call.close()
        self._down.transport.close()
        self._up.transport.close()
        await asyncio.sleep(0)


class Declining(Relay):
    """Of a phone that says 603 in place of 486."""

    def _signal(self, data: bytes, address: Address, *, from_phone: bool) -> None:
        super()._signal(declined(data) if from_phone else data, address, from_phone=from_phone)
