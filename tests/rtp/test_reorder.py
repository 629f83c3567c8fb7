"""Exact pieces for each thing that a line does; then whole calls against the caller's own clock."""

import random
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.rtp.packet import RtpPacket
from bot.rtp.reorder import Gap, Piece, Reorder

FRAME = 0.02


def packet(n: int, *, samples: int = 160, timestamp: int | None = None, ssrc: int = 7) -> RtpPacket:
    """The n-th packet of a stream whose payload bytes tell its number."""
    at = n * samples if timestamp is None else timestamp
    return RtpPacket(0, False, n % 2**16, at % 2**32, ssrc, bytes([n % 251]) * samples)


def started(*, heard: int = 1, first: int = 0) -> tuple[Reorder, float]:
    """A timeline that has heard packets ``first`` … in order, one every 20 ms; and the moment of the last."""
    reorder = Reorder()
    reorder.start(0.0)
    now = 0.0
    for n in range(first, first + heard):
        now += FRAME
        assert reorder.push(packet(n), now) == [packet(n).payload]
    return reorder, now


def length(pieces: list[Piece]) -> int:
    return sum(piece.samples if isinstance(piece, Gap) else len(piece) for piece in pieces)


def test_nothing_before_start() -> None:
    reorder = Reorder()
    assert reorder.push(packet(0), 5.0) == []
    assert reorder.poll(9.0) == []
    assert reorder.stats.received == 0


def test_silence_on_the_clock_before_the_first_packet() -> None:
    reorder = Reorder()
    reorder.start(0.0)
    fed = [length(reorder.poll(n * FRAME)) for n in range(51)]
    assert fed[:4] == [0, 0, 0, 0]
    assert sum(fed) == 8000 - 160
    assert reorder.push(packet(0), 1.0) == [packet(0).payload]  # and the first packet is whole


@pytest.mark.parametrize("first", [0, 65533])
def test_in_order_passes_at_once_across_the_wrap_of_sequence(first: int) -> None:
    reorder, now = started(heard=8, first=first)
    assert reorder.poll(now) == []
    assert (reorder.stats.received, reorder.stats.lost, reorder.stats.resyncs) == (8, 0, 0)


def test_timestamp_wraps() -> None:
    reorder = Reorder()
    reorder.start(0.0)
    for n in range(5):
        sent = packet(n, timestamp=2**32 - 320 + 160 * n)
        assert reorder.push(sent, (n + 1) * FRAME) == [sent.payload]
    assert reorder.stats.resyncs == 0


def test_a_late_neighbour_is_waited_for() -> None:
    reorder, now = started()
    assert reorder.push(packet(2), now + 0.040) == []
    assert reorder.push(packet(3), now + 0.060) == []
    assert reorder.push(packet(1), now + 0.070) == [packet(n).payload for n in (1, 2, 3)]
    assert (reorder.stats.reordered, reorder.stats.lost) == (1, 0)


def test_a_hole_is_given_up_at_its_deadline_and_what_comes_then_is_late() -> None:
    reorder, now = started()
    assert reorder.push(packet(2), now + 0.040) == []
    assert reorder.poll(now + 0.060) == []
    assert reorder.poll(now + 0.080) == [Gap(160, "lost"), packet(2).payload]
    assert reorder.stats.lost == 1
    assert reorder.push(packet(1), now + 0.085) == []
    assert (reorder.stats.lost, reorder.stats.late, reorder.stats.duplicates) == (0, 1, 0)


def test_two_holes_have_a_deadline_each() -> None:
    reorder, now = started()
    assert reorder.push(packet(2), now + 0.020) == []
    assert reorder.push(packet(4), now + 0.050) == []
    assert reorder.poll(now + 0.060) == [Gap(160, "lost"), packet(2).payload]
    assert reorder.push(packet(3), now + 0.065) == [packet(3).payload, packet(4).payload]


def test_duplicates_are_dropped_and_counted() -> None:
    reorder, now = started(heard=3)
    assert reorder.push(packet(1), now) == []
    assert reorder.push(packet(5), now) == []
    assert reorder.push(packet(5), now) == []
    assert reorder.stats.duplicates == 2


def test_a_timestamp_jump_without_a_hole_is_silence() -> None:
    reorder, now = started()
    talkspurt = packet(1, timestamp=160 + 800)
    assert reorder.push(talkspurt, now + 0.120) == [Gap(800, "silent"), talkspurt.payload]
    assert reorder.stats.lost == 0


def test_silence_fed_on_the_clock_is_part_of_that_gap() -> None:
    reorder, now = started()
    fed = sum(length(reorder.poll(now + n * FRAME)) for n in range(1, 51))
    assert fed == 8000 - 160
    talkspurt = packet(1, timestamp=160 + 8000)
    assert reorder.push(talkspurt, now + 1.020) == [Gap(160, "silent"), talkspurt.payload]


def test_loss_within_silence_is_no_more_than_was_lost() -> None:
    reorder, now = started()
    assert reorder.push(packet(2, timestamp=800), now + 0.1) == []
    assert reorder.poll(now + 0.14) == [Gap(480, "silent"), Gap(160, "lost"), packet(2).payload]


def test_audio_for_time_already_fed_is_dropped() -> None:
    reorder, now = started()
    for n in range(1, 8):
        reorder.poll(now + n * FRAME)  # 140 ms: silence up to 80 ms after the last packet
    sent = [packet(n) for n in range(1, 7)]
    got = [reorder.push(p, now + 0.141) for p in sent]
    assert got == [[], [], [], [], [sent[4].payload], [sent[5].payload]]
    assert reorder.stats.late == 4


def test_audio_for_time_partly_fed_is_trimmed() -> None:
    reorder, now = started()
    assert reorder.poll(now + 0.070) == [Gap(80, "fed")]
    assert reorder.push(packet(1), now + 0.080) == [packet(1).payload[80:]]
    assert reorder.push(packet(2), now + 0.085) == [packet(2).payload]
    assert reorder.stats.late == 0


def test_a_hole_partly_fed_is_lost_only_for_the_rest() -> None:
    reorder, now = started()
    assert reorder.poll(now + 0.070) == [Gap(80, "fed")]
    assert reorder.push(packet(2), now + 0.071) == []
    assert reorder.poll(now + 0.111) == [Gap(80, "lost"), packet(2).payload]


def test_a_new_ssrc_goes_on_where_the_clock_stands() -> None:
    reorder, now = started(heard=3)
    other = packet(40000, timestamp=123456789, ssrc=8)
    assert reorder.push(other, now + FRAME) == [other.payload]
    assert reorder.stats.resyncs == 1
    assert reorder.push(packet(40001, timestamp=123456949, ssrc=8), now + 2 * FRAME) == [
        bytes([40001 % 251]) * 160
    ]


@pytest.mark.parametrize("jump", [8000 * 60, -8000 * 60, 2**31])
def test_an_absurd_timestamp_does_not_move_the_clock(jump: int) -> None:
    reorder, now = started(heard=3)
    sent = packet(3, timestamp=480 + jump)
    assert reorder.push(sent, now + FRAME) == [sent.payload]
    assert reorder.stats.resyncs == 1


def test_an_absurd_sequence_is_not_thousands_of_lost_packets() -> None:
    reorder, now = started(heard=3)
    sent = packet(30000, timestamp=480)
    assert reorder.push(sent, now + FRAME) == [sent.payload]
    assert (reorder.stats.lost, reorder.stats.resyncs) == (0, 1)


def test_a_sender_whose_timestamps_stood_still_on_hold_is_heard_again_soon() -> None:
    reorder, now = started(heard=3)
    for n in range(1, 1500):
        reorder.poll(now + n * FRAME)
    heard_after = next(n for n in range(3, 40) if reorder.push(packet(n), now + 30 + n * FRAME))
    assert (heard_after - 3) * FRAME <= 0.2 + 1e-9


def test_a_burst_after_a_stall_does_not_run_ahead_of_the_clock() -> None:
    reorder, now = started(heard=3)
    fed = sum(length(reorder.poll(now + n * FRAME)) for n in range(1, 100))
    burst = sum(length(reorder.push(packet(n), now + 2 + n * 0.005)) for n in range(3, 103))
    assert fed + burst == 100 * 160
    assert reorder.stats.resyncs == 0


def test_forgiving_never_makes_less_than_nothing_lost() -> None:
    reorder, now = started()
    reorder.push(packet(6), now + 0.12)
    reorder.poll(now + 0.17)
    assert reorder.stats.lost == 5
    for n in range(1, 6):
        reorder.push(packet(n), now + 0.18)
    reorder.forgive(100, now + 0.2)
    assert reorder.stats.lost == 0


def test_sequence_numbers_without_time_are_no_hole() -> None:
    """A phone that sends a digit's events between its audio: Asterisk keeps them, the audio has no gap."""
    reorder, now = started()
    for n in range(1, 6):
        audio = packet(2 * n, timestamp=160 * n)
        assert reorder.push(audio, now + n * FRAME) == [audio.payload]
    assert reorder.stats.lost == 0


@pytest.mark.parametrize("event_first", [True, False])
def test_a_digit_is_not_loss(event_first: bool) -> None:
    """Nine packets are missing in sequence and in time."""
    reorder, now = started()
    for n in range(1, 10):
        reorder.poll(now + n * FRAME)
    if event_first:
        reorder.forgive(160, now + 0.190)
    assert reorder.push(packet(10), now + 0.200) == []
    pieces = reorder.poll(now + 0.240)
    if event_first:
        assert all(piece.kind != "lost" for piece in pieces if isinstance(piece, Gap))
    else:
        reorder.forgive(160, now + 0.250)
    assert reorder.stats.lost == 0
    assert pieces[-1] == packet(10).payload


def test_a_digit_forgives_no_more_than_its_time() -> None:
    reorder, now = started()
    reorder.forgive(160, now)
    reorder.push(packet(31), now + 0.6)
    reorder.poll(now + 0.7)
    assert reorder.stats.lost == 30 - 10


def test_jitter_is_that_of_rfc_3550() -> None:
    reorder, now = started()
    late = 0
    for n in range(1, 200):
        late ^= 16
        reorder.push(packet(n), now + n * FRAME + late / 1000)
    assert 1000 * reorder.stats.jitter == pytest.approx(16, abs=0.1)
    assert reorder.stats.jitter_max >= reorder.stats.jitter


# ---------------------------------------------------------------------------- whole calls


@dataclass
class Line:
    """What a line does to a call; times in seconds, rates as fractions."""

    seconds: float = 60.0
    ptimes_ms: tuple[int, ...] = (20,)
    loss: float = 0.0
    jitter: float = 0.0
    displaced: float = 0.0
    duplicated: float = 0.0
    dtx: bool = False
    stall_every: float = 0.0
    stall: float = 0.0
    skew: float = 0.0
    seed: int = 0
    first_sequence: int = 65000
    first_timestamp: int = 2**32 - 100_000
    rng: random.Random = field(init=False)

    def arrivals(self) -> list[tuple[float, RtpPacket, int]]:
        """(moment, packet, where the packet ends in the caller's own clock), by moment."""
        self.rng = rng = random.Random(self.seed)
        arrivals: list[tuple[float, RtpPacket, int]] = []
        position, sequence, previous = 0, self.first_sequence, 0.0
        silent_until = 0
        while position < self.seconds * 8000:
            samples = 8 * rng.choice(self.ptimes_ms)
            position += samples
            if self.dtx and position > silent_until and rng.random() < 0.01:
                silent_until = position + rng.randrange(80, 40000)
            if len(arrivals) > 20 and position <= silent_until:
                continue
            sequence += 1
            sent = position / 8000 / (1 + self.skew)
            start = self.first_timestamp + position - samples
            rtp = RtpPacket(0, False, sequence % 2**16, start % 2**32, 9, bytes(samples))
            if len(arrivals) > 20 and rng.random() < self.loss:
                continue
            # The first packet comes by the quickest way: nothing else tells where the caller's clock stands.
            arrival = sent + (rng.random() * self.jitter if arrivals else 0)
            if self.stall_every and len(arrivals) > 20 and sent % self.stall_every < self.stall:
                arrival = sent - sent % self.stall_every + self.stall
            arrival = max(arrival, previous)  # in order …
            previous = arrival
            if rng.random() < self.displaced and arrivals:  # … but for these
                arrival += rng.choice((0.021, 0.038))
            arrivals.append((arrival, rtp, position))
            if rng.random() < self.duplicated:
                arrivals.append((arrival + 0.01, rtp, position))
        return sorted(arrivals, key=lambda a: a[0])


def run(line: Line) -> tuple[Reorder, float, float]:
    """The call through the timeline, ticked every 20 ms: least and greatest lead of the stream over the
    caller's clock, in ms, at every tick; the caller's clock is the line's own, without its impairments."""
    reorder = Reorder()
    reorder.start(0.0)
    emitted = 0
    leads = []
    tick = FRAME
    for arrival, rtp, _ in line.arrivals():
        while tick <= arrival:
            emitted += length(reorder.poll(tick))
            leads.append(emitted / 8 - tick * (1 + line.skew) * 1000)
            tick += FRAME
        emitted += length(reorder.push(rtp, arrival))
    return reorder, min(leads), max(leads)


CALLS = {
    "clean": (Line(), 20),
    "ptime 10": (Line(ptimes_ms=(10,)), 20),
    "ptime mixed": (Line(ptimes_ms=(10, 20, 30, 40, 60)), 60),
    "3 % loss": (Line(loss=0.03), 60 + 40),
    "jitter 40 ms": (Line(jitter=0.04), 20 + 40),
    "displaced": (Line(displaced=0.05), 20 + 60),
    "silence suppression": (Line(dtx=True), 60 + 20),
    "all of it": (Line(loss=0.03, jitter=0.03, displaced=0.01, duplicated=0.01, dtx=True), 60 + 80),
    "stalls": (Line(stall_every=10, stall=1.5), 60 + 20),
    "fast clock": (Line(skew=100e-6, dtx=True, jitter=0.01), 60 + 30),
    "slow clock": (Line(skew=-100e-6, dtx=True, jitter=0.01), 60 + 30),
}


@pytest.mark.parametrize("name", CALLS)
def test_ten_minutes_stay_with_the_callers_clock(name: str) -> None:
    """Never ahead by 20 ms; behind at most by what the packets themselves are late, a packet's time and the
    wait for a hole or for one that is late; and in the end within 20 ms."""
    line, behind_ms = CALLS[name]
    line.seconds = 600
    reorder, least, greatest = run(line)
    assert greatest <= 20
    assert least >= -behind_ms - 1
    assert reorder.stats.resyncs == 0
    end = reorder._clock(600.0)
    assert abs(end / 8 - 600_000 * (1 + line.skew)) <= 20 + 1000 * line.jitter


def test_jitter_of_40_ms_in_order_costs_nothing() -> None:
    line = Line(jitter=0.04)
    arrivals = line.arrivals()
    reorder = Reorder()
    reorder.start(0.0)
    for (arrival, rtp, _), (following, _, _) in pairwise(arrivals):
        assert reorder.push(rtp, arrival) == [rtp.payload]
        assert reorder.poll(following) == []
    assert (reorder.stats.late, reorder.stats.lost) == (0, 0)


@pytest.mark.parametrize("ptime_ms", [10, 20, 30, 40, 50, 60])
def test_no_ptime_loses_speech_to_jitter_of_40_ms_in_order(ptime_ms: int) -> None:
    line = Line(ptimes_ms=(ptime_ms,), jitter=0.04)
    arrivals = line.arrivals()
    reorder = Reorder()
    reorder.start(0.0)
    tick = arrivals[0][0]
    for (arrival, rtp, _), (following, _, _) in pairwise(arrivals):
        assert reorder.push(rtp, arrival) == [rtp.payload]
        while (tick := tick + FRAME) < following:
            assert reorder.poll(tick) == []


@pytest.mark.parametrize("ptime_ms", [10, 20, 30, 40, 50, 60])
def test_when_packets_stop_silence_is_soon_one_packet_behind(ptime_ms: int) -> None:
    """A server's detector counts samples: what silence is behind comes on top of the end of a turn."""
    reorder = Reorder()
    reorder.start(0.0)
    samples, ptime = 8 * ptime_ms, ptime_ms / 1000
    heard = sum(length(reorder.push(packet(n, samples=samples), (n + 1) * ptime)) for n in range(20))
    now = 20 * ptime + 0.5
    assert heard == 20 * samples
    assert length(reorder.poll(now)) == 4000 - samples


def test_every_lost_packet_is_counted_and_no_other() -> None:
    line = Line(loss=0.05, jitter=0.01)
    sequences = [rtp.sequence for _, rtp, _ in line.arrivals()]
    missing = sum((b - a) % 2**16 - 1 for a, b in pairwise(sequences))
    reorder, _, _ = run(line)
    reorder.poll(line.seconds + 1)
    assert missing > 50
    assert (reorder.stats.lost, reorder.stats.late) == (missing, 0)


@settings(max_examples=30, deadline=None)
@given(
    st.builds(
        Line,
        seconds=st.just(20.0),
        ptimes_ms=st.lists(st.sampled_from([10, 20, 30, 40, 60]), min_size=1, max_size=3).map(tuple),
        loss=st.sampled_from([0.0, 0.01, 0.1, 0.3]),
        jitter=st.floats(0, 0.04),
        displaced=st.sampled_from([0.0, 0.02]),
        duplicated=st.sampled_from([0.0, 0.05]),
        dtx=st.booleans(),
        stall_every=st.sampled_from([0.0, 5.0]),
        stall=st.floats(0, 1.5),
        skew=st.floats(-100e-6, 100e-6),
        seed=st.integers(0, 2**16),
        first_sequence=st.integers(0, 2**16 - 1),
        first_timestamp=st.integers(0, 2**32 - 1),
    )
)
def test_any_line_stays_with_the_callers_clock(line: Line) -> None:
    reorder, least, greatest = run(line)
    assert greatest <= 20
    assert least >= -(60 + 60 + 40 + 40 + 20)
    stats = reorder.stats
    assert stats.resyncs == 0
    assert stats.received >= stats.late + stats.duplicates
