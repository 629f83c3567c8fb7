"""Time: the model's clock against the caller's, and the end of a turn when the caller sends nothing more.

The model's clock counts the samples that it was given; the caller's is the time that passes. *Shift*: where a
second of the caller's voice lies in the model's audio, against when it left the phone; silence too much or
too little moves it. *Behind*: how much less the model has been given than has passed, by the least of a
second (what comes late and is made up for counts for nothing) against the median of all seconds with the
gate open.
"""

import random
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.voice.line import Call, Line
from bench.voice.machine import PACER_LATE, Busy, check_clean
from bench.voice.model import MODEL_SILENCE_MS
from bench.voice.row import Measure, Row, tell
from bench.voice.speech import MODEL_HZ, PHONE_HZ, corpus, track
from bot.audio.g711 import ULAW
from bot.audio.vad import VadParams
from bot.call.barge_in import BargeInParams
from bot.call.uplink import Uplink, UplinkParams
from bot.offline.formats import resample
from bot.offline.hearing import SpeechStopped
from bot.offline.voice import synthetic_speech
from bot.rtp.packet import RtpPacket, pack
from tests.e2e.asterisk import wait_for
from tests.e2e.proxy import CLEAN, Impairment, Spoiler
from tests.e2e.sound import AUDIBLE_DBFS, Pcm, level_dbfs, likeness

OPEN_MS, CLOSED_MS = 20.0, 260.0
END_OF_TURN_MS = 100.0
BAD = Impairment(loss=0.03, jitter_ms=40, displaced=0.01)
SETTLE_S = 3.0
AGENT_EVERY_S, AGENT_S = 12.0, 5.0
SKEW = 100e-6
TICK_S, FRAME = 0.02, 160
REACH = 2400
"""Samples; how far a shift is looked for."""
ALIKE = 0.5
"""A second that lost much is not found again."""
FOUND = 0.8
HEAD_S = 15
STALL_S = 3.0
QUICK_MARGIN_MS = 40.0


class Turn(NamedTuple):
    """When the agent talks, in seconds since the caller's first packet."""

    begin_s: float
    end_s: float


class Apart(NamedTuple):
    """How far apart the clocks were, in milliseconds: in each second that was found again of the ``sought``
    ones with the gate open, and during each turn of the agent's. Seconds in which the gate moves do not
    count.
    """

    shifts: list[float]
    sought: int
    open: list[float]
    closed: list[float]

    def rows(self, what: str, *, quick: bool = False) -> list[Row]:
        """Three lines of the table. A short run judges what is usual, with a margin for a machine that runs
        other tests."""
        share = len(self.shifts) / max(1, self.sought)
        worst = max(self.shifts, key=abs, default=float("inf"))
        fifth = max(1, len(self.open) // 5)
        drift = float(np.mean(self.open[-fifth:]) - np.mean(self.open[:fifth]))
        behind = np.array(self.closed) - float(np.median(self.open))
        shift, closed, margin = worst, float(behind.max()), 0.0
        if quick:
            shift = float(np.median(self.shifts or [worst]))
            closed, margin = float(np.median(behind)), QUICK_MARGIN_MS
        within, most = OPEN_MS + margin, CLOSED_MS + margin
        return [
            Row(
                f"{what}: shift",
                f"{shift:+.1f} ms, {len(self.shifts)} of {self.sought} open seconds found",
                f"within {within:g} ms, ≥ {FOUND:.0%} found",
                abs(shift) <= within and share >= FOUND,
            ),
            Row(
                f"{what}: later at the end", f"{drift:+.1f} ms", f"within {within:g} ms", abs(drift) <= within
            ),
            Row(f"{what}: behind, gate closed", f"{closed:.0f} ms", f"≤ {most:g} ms", closed <= most),
        ]


def apart(
    behind_ms: Mapping[int, Sequence[float]],
    turns: Sequence[Turn],
    caller: Pcm,
    model: Pcm,
    late_ms: NDArray[np.float64],
) -> Apart:
    """``behind_ms``: what was read in each second; ``caller`` and ``model``: all audio, 8 kHz; ``late_ms``:
    by how much the phone itself was late with each of its packets.
    """
    least = {second: min(values) for second, values in sorted(behind_ms.items())}
    during = [[v for n, v in least.items() if turn.begin_s + 1 <= n <= turn.end_s - 2] for turn in turns]
    closed = [min(values) for values in during if values]  # jitter only ever adds
    opened = [v for n, v in least.items() if _open(n, turns)]
    shifts, sought = _shifts(caller, model, late_ms, turns)
    return Apart(shifts, sought, opened, closed)


def _open(second: int, turns: Sequence[Turn]) -> bool:
    return second >= SETTLE_S and not any(t.begin_s - 2 <= second <= t.end_s + 1 for t in turns)


def _shifts(
    caller: Pcm, model: Pcm, late_ms: NDArray[np.float64], turns: Sequence[Turn]
) -> tuple[list[float], int]:
    """Of each second of the caller's that the model was given; and how many it should have been given."""
    begin = int(SETTLE_S) * PHONE_HZ
    head = caller[begin : begin + 4 * PHONE_HZ]
    base = likeness(head, model[: HEAD_S * PHONE_HZ])[1] - begin  # the caller repeats himself after that
    own = _least_around(late_ms)
    own_base = float(np.median(own[begin // FRAME : (begin + len(head)) // FRAME]))
    found, sought = [], 0
    for at in range(begin, len(caller) - 2 * PHONE_HZ, PHONE_HZ):
        piece = caller[at : at + PHONE_HZ]
        window = model[max(0, at + base - REACH) : at + base + PHONE_HZ + REACH]
        if level_dbfs(piece) < AUDIBLE_DBFS or len(window) < PHONE_HZ + 2 * REACH:
            continue
        if not _open(at // PHONE_HZ, turns):
            continue
        sought += 1
        score, place = likeness(piece, window)
        if score > ALIKE:
            moved = float(np.median(own[at // FRAME : (at + PHONE_HZ) // FRAME])) - own_base
            found.append((place - REACH) * 1000 / PHONE_HZ - moved)
    return found, sought


def _least_around(late_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the seconds around each packet: a phone that stalls and catches up has not moved its clock."""
    reach = round(STALL_S / TICK_S)
    padded = np.pad(late_ms, reach, constant_values=np.inf)
    least: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).min(axis=1)
    return least


# ---------------------------------------------------------------------- real calls


def real_clock(quick: bool) -> list[Row]:
    """A call on a clean line and one on a bad line, side by side, for ten minutes."""
    seconds = 26 if quick else 600
    rows = []
    with ThreadPoolExecutor(2) as pool:
        lines = {"clean line": CLEAN, "bad line": BAD}
        running = {name: pool.submit(_call, rule, seconds) for name, rule in lines.items()}
        for name, future in running.items():
            clocks, busy = future.result()
            for row in clocks.rows(f"clock, {seconds} s, {name}", quick=quick):
                rows.append(row if row.passed else replace(row, measured=row.measured + busy))
    return rows


def _call(rule: Impairment, seconds: int) -> tuple[Apart, str]:
    """How far apart the clocks were, and, if so, that the machine was busy."""
    with Line(from_phone=rule, barge_in={"enabled": False}) as line:
        line.bot.metric(PACER_LATE)  # reading it begins a new one
        with line.call() as call:
            clocks = _held(call, seconds)
        try:
            check_clean(line.bot, line.rows, ("late",) if rule == CLEAN else ())
        except Busy as busy:
            return clocks, f"; {busy}"
    return clocks, ""


def _held(call: Call, seconds: int) -> Apart:
    """The caller talks all the time, the agent for 5 s of every 12, whom he cannot interrupt."""
    said = track(corpus(6, 1))
    call.phone.say(np.tile(said.phone, 1 + seconds * PHONE_HZ // len(said.phone)), wait=False)
    began = time.monotonic()
    agent = np.tile(said.model, 2)[: round(AGENT_S * MODEL_HZ)].tobytes()
    spoke = []
    while time.monotonic() - began + AGENT_EVERY_S <= seconds:
        time.sleep(AGENT_EVERY_S - AGENT_S)
        spoke.append(time.monotonic())
        call.session.say(agent)
        time.sleep(AGENT_S)
        tell(f"{time.monotonic() - began:.0f} of {seconds} s on the line")
    time.sleep(SETTLE_S)
    trace = call.phone.trace()
    sent = np.array([p.time for p in trace.packets if p.from_phone and not p.rtcp])
    turns = [Turn(at - sent[0], at - sent[0] + AGENT_S) for at in spoke]
    behind = defaultdict(list)
    for when, samples in call.session.arrivals:
        passed_s = when - sent[0]
        behind[int(passed_s)].append(passed_s * 1000 - samples * 1000 / MODEL_HZ)
    late_ms = (sent - sent[0] - TICK_S * np.arange(len(sent))) * 1000
    received = np.frombuffer(bytes(call.session.received), "<i2")
    return apart(behind, turns, trace.in_order(from_phone=True), received[::3], late_ms)


# ---------------------------------------------------------------------- virtual time


def virtual_clock(quick: bool) -> list[Row]:
    """The pure uplink for ten minutes on a bad line; the caller's clock is off as well."""
    seconds = 120 if quick else 600
    rows = []
    for skew in (SKEW, -SKEW):
        what = f"clock, {seconds} s of virtual time, bad line, caller's {skew * 1e6:+.0f} ppm"
        rows += _virtual(skew, seconds).rows(what)
    return rows


def _virtual(skew: float, seconds: int) -> Apart:
    uplink = Uplink(UplinkParams(ULAW, None, 40, VadParams(), BargeInParams()))
    uplink.start(0.0)
    noise = np.random.default_rng(1).normal(0, 3000, seconds * PHONE_HZ).astype(np.int16)
    arrivals = deque(sorted(_arrivals(noise, skew)))
    begins = np.arange(AGENT_EVERY_S - AGENT_S, seconds - AGENT_S, AGENT_EVERY_S)
    turns = [Turn(float(begin), float(begin) + AGENT_S) for begin in begins]
    closing = {round(turn.begin_s / TICK_S) for turn in turns}
    opening = {round(turn.end_s / TICK_S) for turn in turns}
    got = bytearray()
    behind = defaultdict(list)
    for tick in range(round(seconds / TICK_S)):
        now = tick * TICK_S
        if tick in closing:
            uplink.close_gate()
        if tick in opening:
            uplink.open_gate()
        while arrivals and arrivals[0][0] <= now:
            when, datagram = arrivals.popleft()
            got += uplink.datagram(datagram, when)
            caller_ms = when * (1 + skew) * 1000
            behind[int(when)].append(caller_ms - len(got) / 2 * 1000 / MODEL_HZ)
        got += uplink.tick(now)
    return apart(behind, turns, noise, np.frombuffer(bytes(got), "<i2")[::3], np.zeros(len(noise) // FRAME))


def _arrivals(pcm: Pcm, skew: float) -> Iterator[tuple[float, bytes]]:
    """When each datagram of the caller's comes, on the bad line; not in order."""
    rng = random.Random(1)
    spoiler = Spoiler(rng)
    for n in range(len(pcm) // FRAME):
        frame = ULAW.encode(pcm[n * FRAME : (n + 1) * FRAME].tobytes())
        datagram = pack(RtpPacket(0, False, n % 2**16, n * FRAME % 2**32, 1, frame))
        yield from spoiler.fate(BAD, datagram, (n + 1) * TICK_S / (1 + skew))


# ---------------------------------------------------------------------- the end of a turn


def end_of_turn(quick: bool) -> list[Row]:
    """The phone stops sending in the middle of a loud syllable."""
    tries = 3 if quick else 30
    voice = np.frombuffer(resample(synthetic_speech(6.0), MODEL_HZ, PHONE_HZ), "<i2")
    with Line() as line, line.call() as call:
        late = []
        for n in range(tries):
            late.append(_late_ms(call, voice, 1.0 + n * 0.037))
            tell(f"{n + 1} of {tries} turns, {late[-1]:.0f} ms")
    worst = max(late)
    measured = f"+{np.median(late):.0f} ms, at most +{worst:.0f} ms ({tries} turns)"
    what = f"caller's last packet → end of turn, beyond {MODEL_SILENCE_MS} ms of silence"
    return [Row(what, measured, f"≤ +{END_OF_TURN_MS:g} ms", worst <= END_OF_TURN_MS)]


def _late_ms(call: Call, voice: Pcm, seconds: float) -> float:
    before = len(call.session.edges)
    call.phone.say(voice, wait=False)
    time.sleep(seconds)
    call.phone.suppress()
    edges = wait_for(
        "the end of the turn",
        lambda: [e for e in call.session.edges[before:] if isinstance(e[1], SpeechStopped)],
        5,
    )
    sent = [p.time for p in call.phone.trace().packets if p.from_phone and not p.rtcp and p.copies]
    call.phone.quiet()
    time.sleep(0.2)
    call.phone.suppress(False)
    time.sleep(0.5)
    return (edges[0][0] - sent[-1]) * 1000 - MODEL_SILENCE_MS


ROWS: dict[str, Measure] = {
    "clock": real_clock,
    "clock-virtual": virtual_clock,
    "end-of-turn": end_of_turn,
}
