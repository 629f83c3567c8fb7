"""The uplink's timeline: packets in as the network delivers them, a stream without holes out.

A model does not listen in real time, so nothing is delayed for smoothness. What is in order passes at once;
a hole in the sequence waits ``reorder_ms`` for its packet and is then declared lost; a jump of the timestamp
without a hole is silence suppression. When nothing comes at all, silence is fed on the clock, because a
server's VAD ends a turn by the samples it hears, not by the time that passes.

Positions are samples (8 kHz) since ``start``. The caller's clock is known from the packets themselves: the
quickest of the last seconds shows which position belongs to which moment, whatever either clock's error.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from bot.rtp.packet import RtpPacket
from bot.rtp.serial import SEQUENCE_MODULUS, TIMESTAMP_MODULUS, distance

SAMPLE_RATE = 8000

MAX_DROPOUT = 3000
MAX_MISORDER = 100
"""Sequence numbers beyond these bounds are another stream, not a hole in this one (RFC 3550 A.1)."""

LATENESS_SAMPLES = 320
"""40 ms: when packets stop, silence stays behind the clock by so much and a packet's time, so that one this
late still fits."""
SETTLED_SECONDS = 0.2
"""After this long a stop is taken for a silence of the caller's: then one packet's time behind is enough."""
FRAME_SAMPLES = 160
WINDOW_SECONDS = 2.0
"""Age of the oldest packet that still says what the quickest way takes: one to two of these."""
MAX_LEAD_SECONDS = 1.0
"""Timestamps further ahead of the clock are not believed."""
MAX_SKEW = 500e-6
FORGIVEN_SECONDS = 1.0
"""A digit's event and the hole it made in the stream come within this time of each other."""


class Gap(NamedTuple):
    """Time without audio: ``lost`` is to be concealed, ``silent`` is silence. ``fed`` is nobody knows what
    yet: the caller's silence, or a burst of losses."""

    samples: int
    kind: Literal["lost", "silent", "fed"]


Piece = bytes | Gap
"""G.711 bytes, one sample each, or a Gap."""


@dataclass(slots=True)
class UplinkStats:
    """Counts of packets. ``lost`` never came, ``late`` came when its time had been filled, ``reordered`` came
    after a later one but in time. ``bad`` is for whoever parses. ``jitter``, and the most that it was, in
    seconds (RFC 3550 A.8)."""

    received: int = 0
    lost: int = 0
    late: int = 0
    reordered: int = 0
    duplicates: int = 0
    bad: int = 0
    resyncs: int = 0
    jitter: float = 0.0
    jitter_max: float = 0.0


class Reorder:
    """``push`` every packet of the call's audio payload type, ``poll`` on every tick; both return the pieces
    that are due, in stream order. ``now`` is any monotonic clock, in seconds."""

    def __init__(self, reorder_ms: int = 40) -> None:
        self.stats = UplinkStats()
        self._reorder_seconds = reorder_ms / 1000
        self._started: float | None = None
        self._emitted = 0
        # The stream in order, up to where it was placed.
        self._ssrc: int | None = None
        self._next_sequence = 0
        self._next_timestamp = 0
        self._end = 0  # the position of _next_timestamp
        self._ptime_samples = FRAME_SAMPLES
        # Packets beyond a hole, by sequence, with their arrival; and the sequences that were given up.
        self._waiting: dict[int, tuple[RtpPacket, float]] = {}
        self._given_up: deque[int] = deque(maxlen=MAX_MISORDER)
        # The clock: least (arrival − position) of this window and of the one before it.
        self._least = self._least_before = 0.0
        self._window_started = 0.0
        self._last_heard = 0.0
        self._late_since: tuple[float, float] | None = None  # a run of late packets: moment, lateness
        self._late_until = 0.0
        self._last_arrival: tuple[float, int] | None = None
        self._forgiven = (0, 0.0)
        self._last_loss = (0, 0.0)

    # ------------------------------------------------------------------ in

    def start(self, now: float) -> None:
        """The caller's time begins: from here on silence is fed when nothing comes."""
        self._started = self._last_heard = self._window_started = now
        self._least = self._least_before = now

    def push(self, packet: RtpPacket, now: float) -> list[Piece]:
        """A packet has arrived. Before ``start`` it is ignored."""
        if self._started is None:
            return []
        self.stats.received += 1
        self._measure_jitter(packet.timestamp, now)
        if packet.ssrc != self._ssrc:
            return [*self._give_up(), *self._resync(packet, now)]
        if packet.sequence == self._next_sequence and not self._waiting:
            return self._place(packet, 0, now)
        ahead = distance(packet.sequence, self._next_sequence, SEQUENCE_MODULUS)
        if not -MAX_MISORDER <= ahead <= MAX_DROPOUT:
            return [*self._give_up(), *self._resync(packet, now)]
        if ahead > 0 and packet.timestamp == self._next_timestamp and not self._waiting:
            return self._place(packet, 0, now)
        if ahead < 0 or packet.sequence in self._waiting:
            self._count_old(packet.sequence)
            return []
        if ahead < max(self._distances(), default=0):
            self.stats.reordered += 1
        self._waiting[packet.sequence] = (packet, now)
        return [*self._in_order(), *self._overdue(now)]

    def poll(self, now: float) -> list[Piece]:
        """Time has passed: what has waited long enough, and silence when nobody sends."""
        if self._started is None:
            return []
        pieces = self._overdue(now) if self._waiting else []
        quiet = now - self._last_heard
        hold = self._ptime_samples + LATENESS_SAMPLES
        if quiet * SAMPLE_RATE >= hold and not self._waiting:
            behind = hold if quiet < SETTLED_SECONDS else self._ptime_samples
            due = self._clock(now) - behind - self._emitted
            if due > 0:
                pieces.append(Gap(due, "fed"))
                self._emitted += due
        return pieces

    def forgive(self, duration_ms: int, now: float) -> None:
        """A digit took ``duration_ms``: Asterisk keeps its packets to itself, so they are not lost.

        Its event may come before or after the hole is given up.
        """
        credit = duration_ms * SAMPLE_RATE // 1000 + 2 * FRAME_SAMPLES
        packets, when = self._last_loss
        if now - when < FORGIVEN_SECONDS:
            forgiven = min(packets, credit // self._ptime_samples, self.stats.lost)
            self.stats.lost -= forgiven
            self._last_loss = (packets - forgiven, when)
            credit -= forgiven * self._ptime_samples
        self._forgiven = (credit, now)

    # ------------------------------------------------------------------ order

    def _distances(self) -> Iterator[int]:
        return (distance(s, self._next_sequence, SEQUENCE_MODULUS) for s in self._waiting)

    def _in_order(self) -> list[Piece]:
        """What waited and is next by now."""
        pieces: list[Piece] = []
        while self._next_sequence in self._waiting:
            packet, arrival = self._waiting.pop(self._next_sequence)
            pieces += self._place(packet, 0, arrival)
        return pieces

    def _overdue(self, now: float) -> list[Piece]:
        """Holes are given up when what lies beyond them has waited ``reorder_ms``, or too many wait."""
        pieces: list[Piece] = []
        while self._waiting and (
            len(self._waiting) > MAX_MISORDER
            or now - min(arrival for _, arrival in self._waiting.values()) >= self._reorder_seconds - 1e-6
        ):
            pieces += self._close_hole()
        return pieces

    def _give_up(self) -> list[Piece]:
        pieces: list[Piece] = []
        while self._waiting:
            pieces += self._close_hole()
        return pieces

    def _close_hole(self) -> list[Piece]:
        missing = min(self._distances())
        for n in range(min(missing, MAX_MISORDER)):
            self._given_up.append((self._next_sequence + n) % SEQUENCE_MODULUS)
        packet, arrival = self._waiting.pop((self._next_sequence + missing) % SEQUENCE_MODULUS)
        return self._place(packet, missing, arrival) + self._in_order()

    def _count_old(self, sequence: int) -> None:
        if sequence in self._given_up:
            self._given_up.remove(sequence)
            self.stats.lost = max(0, self.stats.lost - 1)
            self.stats.late += 1
        else:
            self.stats.duplicates += 1

    # ------------------------------------------------------------------ time

    def _place(self, packet: RtpPacket, missing: int, arrival: float) -> list[Piece]:
        """The next packet in sequence, after ``missing`` that never came, put where its timestamp says."""
        step = distance(packet.timestamp, self._next_timestamp, TIMESTAMP_MODULUS)
        samples = len(packet.payload)
        position = self._end + step
        end = position + samples
        if step < 0 or end > self._clock(arrival) + MAX_LEAD_SECONDS * SAMPLE_RATE:
            return self._resync(packet, arrival)  # the sender's clock has jumped
        # Numbers without time were a digit's telephone-events (RFC 4733), sent between the audio.
        if missing:
            missing = min(missing, -(-step // self._ptime_samples))
        overlap = self._emitted - position
        if overlap >= samples > 0 and self._stays_late(end, arrival):
            return self._resync(packet, arrival)
        self._advance(packet, end)
        self._observe(arrival - end / SAMPLE_RATE, arrival)
        pieces: list[Piece] = []
        if missing or overlap < 0:
            pieces = self._fill(missing, max(0, -overlap), arrival)
        if overlap < samples:
            pieces.append(packet.payload[overlap:] if overlap > 0 else packet.payload)
            self._emitted = end
            self._last_heard = arrival
            self._late_since = None
        elif samples:
            self.stats.late += 1
        return pieces

    def _fill(self, missing: int, samples: int, arrival: float) -> list[Piece]:
        """A gap: as much of it as the missing packets can have held is loss, the rest is silence."""
        self._emitted += samples
        credit, when = self._forgiven
        forgiven = 0
        if missing and arrival - when < FORGIVEN_SECONDS:
            forgiven = min(missing, credit // self._ptime_samples)
            self._forgiven = (credit - forgiven * self._ptime_samples, when)
        if missing > forgiven:
            self.stats.lost += missing - forgiven
            self._last_loss = (missing - forgiven, arrival)
        lost = min(samples, (missing - forgiven) * self._ptime_samples)
        gaps = Gap(samples - lost, "silent"), Gap(lost, "lost")
        return [gap for gap in gaps if gap.samples]

    def _resync(self, packet: RtpPacket, arrival: float) -> list[Piece]:
        """Another stream, or an absurd jump: the packet belongs where the clock stands when it arrives."""
        if self._ssrc is not None:
            self.stats.resyncs += 1
        self._ssrc = packet.ssrc
        self._given_up.clear()
        self._late_since = None
        self._next_timestamp = packet.timestamp
        self._end = self._clock(arrival) - len(packet.payload)
        self._least = self._least_before = arrival - (self._end + len(packet.payload)) / SAMPLE_RATE
        return self._place(packet, 0, arrival)

    def _stays_late(self, end: int, arrival: float) -> bool:
        """Whether packets have been late for a while and are not catching up: a sender whose timestamps
        stood still on hold, or a longer way. A burst after a stall of the network catches up."""
        lateness = self._clock(arrival) / SAMPLE_RATE - end / SAMPLE_RATE
        if self._late_since is None or arrival - self._late_until > SETTLED_SECONDS:
            self._late_since = (arrival, lateness)
        self._late_until = arrival
        since, lateness_then = self._late_since
        if arrival - since < SETTLED_SECONDS:
            return False
        self._late_since = (arrival, lateness)
        return lateness_then - lateness < (arrival - since) / 2

    def _advance(self, packet: RtpPacket, end: int) -> None:
        samples = len(packet.payload)
        self._next_sequence = (packet.sequence + 1) % SEQUENCE_MODULUS
        self._next_timestamp = (packet.timestamp + samples) % TIMESTAMP_MODULUS
        self._end = end
        self._ptime_samples = samples or self._ptime_samples

    def _clock(self, now: float) -> int:
        """The position of the caller's that a packet arriving ``now`` by the quickest way would end at."""
        assert self._started is not None
        elapsed = now - min(self._least, self._least_before)
        believed = (now - self._started) * (1 + MAX_SKEW) + MAX_LEAD_SECONDS
        return int(min(elapsed, believed) * SAMPLE_RATE)

    def _observe(self, transit: float, now: float) -> None:
        if now - self._window_started > WINDOW_SECONDS:
            self._window_started = now
            self._least_before, self._least = self._least, transit
        elif transit < self._least:
            self._least = transit

    def _measure_jitter(self, timestamp: int, now: float) -> None:
        """RFC 3550 section 6.4.1 and A.8."""
        if self._last_arrival is not None:
            then, timestamp_then = self._last_arrival
            sent = distance(timestamp, timestamp_then, TIMESTAMP_MODULUS) / SAMPLE_RATE
            if abs(sent) < MAX_LEAD_SECONDS:  # not across a jump
                self.stats.jitter += (abs(now - then - sent) - self.stats.jitter) / 16
                self.stats.jitter_max = max(self.stats.jitter_max, self.stats.jitter)
        self._last_arrival = (now, timestamp)
