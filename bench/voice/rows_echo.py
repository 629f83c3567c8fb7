"""Speakerphones: what the agent says comes back with the caller's voice, 12 dB below it after 250 ms (A) or
6 dB below after 400 ms (B), with a room's tail and a loudspeaker's distortion.

The echo is made of the very packets that the phone was given, on its leg of a real call.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from bench.echo_rooms import Line, Signal, cough
from bench.voice.agent import silent
from bench.voice.row import Measure, Row, tell
from bench.voice.rows_turns import (
    AFTER_CUT_S,
    BACK_MS,
    COMMITTED,
    NO_GAP_S,
    QUIET_LINE,
    SUSPECT_MS,
    pause_ms,
    plan_tries,
    room,
    silence_ms,
    spoken_over,
)
from bench.voice.speech import LEVEL_RMS, MODEL_HZ, corpus
from bench.voice.stage import FRAME_S, SILENCE, WIDTH, Plan, Stage, Taken
from bench.voice.talk import Try, caller_lines, speeches, talking
from bench.voice.words import FEW_LEADS_S, Heard, figures, hearings, together
from bot.audio.echo import EchoParams
from bot.audio.g711 import ULAW
from bot.audio.vad import VadParams
from bot.call.barge_in import BargeInParams
from bot.call.uplink import Uplink, UplinkParams
from tests.e2e.asterisk import HarnessError
from tests.e2e.sound import RATE_HZ, Pcm, likeness

A, B = Line(), Line(echo_db=-6, delay_ms=400)
CHANGING = {
    "A, a new room every 15 s": replace(A, change_every_s=15),
    "A, clock 20 ppm off": replace(A, skew_ppm=20),
    "A, 60 ms more delay every 15 s": replace(A, change_every_s=15, jump_ms=60),
}
WORDS_POINTS = 8.0
#: One word of five sentences is two points and more.
QUICK_WORDS_POINTS = 30.0
DECIDED_S = 1.0
"""A commit belongs to what the caller said until so long before."""
MARGIN_S, REACH_S = 0.5, 1.0
"""The model's ears are given so much around a sentence; it is looked for so far from its place."""
ALIKE = 0.3
"""How much like itself a sentence is over what the canceller leaves of a loud echo."""
TALKING_S = (5.0, 5.5)
"""From one sentence to the next, where none is answered."""
INTERRUPTING_S = (7.0, 8.0)
"""And where each stops the agent."""
SENTENCES, VOICES = 20, 3
MINUTES = 10.0
QUICK_MINUTES = 0.5


Lines = list[tuple[str, Signal]]
"""What a caller may say: words and sound."""
Planned = tuple[list[Plan], list[list[Try]]]
"""The calls, and what is said in each."""


class Calls(NamedTuple):
    """Calls over the echo ``name``, and what is said in each."""

    name: str
    taken: list[Taken]
    tries: list[list[Try]]


class Outcome(NamedTuple):
    """What came of one try: whether it was committed, and from its onset to the agent's silence."""

    committed: bool
    suspect_ms: float


def lines(quick: bool) -> list[tuple[str, Line]]:
    """A short run takes the harder one."""
    return [("B", B)] if quick else [("A", A), ("B", B)]


# ---------------------------------------------------------------------- the agent alone with his echo


def silent_rows(quick: bool) -> list[Row]:
    """The agent talks for 10 minutes, turn by turn, and the caller says nothing."""
    seconds, least = (20.0, QUICK_MINUTES) if quick else (155.0, MINUTES)
    voices = [speeches(voice) for voice in range(1 if quick else 3)]
    rows = []
    for name, line in lines(quick):
        plans = [Plan(np.zeros(0, np.int16), seconds, room(number, line)) for number in range(WIDTH)]
        with Stage() as stage:
            taken = stage.calls(talking(voices, after_cut_s=1.0, gap_s=(1.2, 2.5)), plans)
        minutes = sum(len(call.agent(0, float("inf"))) for call in taken) * FRAME_S / 60
        suspects, commits = (sum(len(call.noted(kind)) for call in taken) for kind in ("pause", "cut"))
        rows.append(
            Row(
                f"echo {name}, agent talks {minutes:.1f} min in {WIDTH} calls, caller silent",
                f"{commits} commits, {suspects} suspects",
                f"0 commits, ≤ 1 suspect a minute, ≥ {least:g} min",
                commits == 0 and suspects <= max(1, minutes) and minutes >= least,
            )
        )
    return rows


# ---------------------------------------------------------------------- interruptions over the echo


def interruption_rows(quick: bool) -> list[Row]:
    """50 interruptions over each echo, and a few to spare."""
    rows, outcomes = [], []
    for name, line in lines(quick):
        over = held(name, planned(line, 1 if quick else 11), quick)
        found = outcomes_of(over.taken, over.tries)
        outcomes += found
        rows.append(told(f"real barge-in over echo {name}", found))
    return [bounded("real barge-in over echo A and B", outcomes, quick=quick), *rows]


def held(name: str, both: Planned, quick: bool, **blocks: Any) -> Calls:
    """Five callers over one echo; keywords configure the bot."""
    voices = [speeches(voice) for voice in range(1 if quick else 3)]
    plans, tries = both
    with Stage(**blocks) as stage:
        return Calls(
            name, stage.calls(talking(voices, after_cut_s=AFTER_CUT_S, gap_s=NO_GAP_S), plans), tries
        )


def own_lines(number: int) -> Lines:
    """Call ``number``'s caller has a voice of his own, and begins with another sentence."""
    return caller_lines(number, number)


def planned(
    line: Line,
    count: int,
    says: Callable[[int], Lines] = own_lines,
    every_s: tuple[float, float] = (6.5, 7.5),
) -> Planned:
    """The same callers and sentences on whatever line."""
    both = [plan_tries(n, says(n), count, line=line, every_s=every_s) for n in range(WIDTH)]
    return [plan for plan, _ in both], [tries for _, tries in both]


def early_rows(quick: bool) -> list[Row]:
    """One interruption a call, within the first 7 s that the agent speaks."""
    calls = WIDTH if quick else 4 * WIDTH
    voices = [speeches(voice) for voice in range(1 if quick else 3)]
    rows = []
    for name, line in lines(quick):
        firsts = np.random.default_rng(7).uniform(1.5, 6.5, calls)
        plans, tries = zip(
            *(
                plan_tries(n, caller_lines(n, n), 1, line=line, first_s=first)
                for n, first in enumerate(firsts)
            ),
            strict=True,
        )
        with Stage() as stage:
            taken = stage.calls(talking(voices, after_cut_s=AFTER_CUT_S, gap_s=NO_GAP_S), plans)
        found = outcomes_of(taken, tries)
        rows.append(told(f"real barge-in within the first 7 s over echo {name}", found))
    return rows


def changing_rows(quick: bool) -> list[Row]:
    """The room, or the delay, is another one every 15 s; or the phone's clock is off."""
    count = 2 if quick else 6
    voices = [speeches(voice) for voice in range(1 if quick else 3)]
    rows = []
    for name, line in list(CHANGING.items())[: 1 if quick else None]:
        plans, tries = planned(line, count)
        with Stage() as stage:
            taken = stage.calls(talking(voices, after_cut_s=AFTER_CUT_S, gap_s=NO_GAP_S), plans)
        found = outcomes_of(taken, tries)
        row = told(f"echo {name}", found)
        unmeant = [unmeant_decisions(call, said) for call, said in zip(taken, tries, strict=True)]
        minutes = sum(call.plan.seconds for call in taken) / 60
        counts = f"{sum(s for s, _ in unmeant)} suspects and {sum(c for _, c in unmeant)} commits that"
        rows.append(replace(row, measured=f"{row.measured}; {counts} nobody meant in {minutes:.0f} min"))
    return rows


def cough_rows(quick: bool) -> list[Row]:
    """The detector hears them as well; the agent pauses, and is to go on."""
    rows = []
    for name, line in lines(quick):
        rng = np.random.default_rng(5)
        coughs = [("a cough", cough(rng)) for _ in range(10)]
        plans, tries = zip(
            *(
                plan_tries(n, coughs[n:] + coughs[:n], 2 if quick else 10, line=line, every_s=(4.0, 4.5))
                for n in range(WIDTH)
            ),
            strict=True,
        )
        voices = [speeches(voice) for voice in range(1 if quick else 3)]
        with Stage() as stage:
            taken = stage.calls(talking(voices, after_cut_s=AFTER_CUT_S, gap_s=NO_GAP_S), plans)
        found = spoken_over(taken, tries)
        commits = sum(len(call.noted("cut")) for call in taken)
        back = sum(pause_ms(*one) <= BACK_MS for one in found)
        suspects = sum(len(call.noted("pause")) for call in taken)
        measured = f"{suspects} suspects, {commits} commits; agent back within {BACK_MS} ms {back} times"
        rows.append(Row(f"{len(found)} coughs over echo {name}", measured, "", None))
    return rows


def outcomes_of(taken: Sequence[Taken], tries: Sequence[Sequence[Try]]) -> list[Outcome]:
    """For each try over an agent who was speaking when it began."""
    found = []
    for call, one in spoken_over(taken, tries):
        begin, end = call.moment(one.begin), call.moment(one.end) + DECIDED_S
        paused = any(begin < at < end for at in call.noted("pause"))
        committed = any(begin < at < end for at in call.noted("cut"))
        found.append(Outcome(committed, silence_ms(call, one) if paused else float("inf")))
        tell(f"{one.level_db:.0f} dB {'committed' if committed else 'MISSED'} {found[-1].suspect_ms:.0f} ms")
    return found


def unmeant_decisions(call: Taken, tries: Sequence[Try]) -> tuple[int, int]:
    """Suspects and commits while the caller said nothing."""
    spans = [(call.moment(one.begin), call.moment(one.end) + DECIDED_S) for one in tries]
    free = [
        sum(not any(begin < at < end for begin, end in spans) for at in call.noted(kind))
        for kind in ("pause", "cut")
    ]
    return free[0], free[1]


def told(what: str, outcomes: Sequence[Outcome]) -> Row:
    committed = sum(one.committed for one in outcomes)
    p50, p95 = np.percentile([one.suspect_ms for one in outcomes], [50, 95], method="higher")
    measured = f"{committed} of {len(outcomes)} committed; suspect p50 {p50:.0f}, p95 {p95:.0f} ms"
    return Row(f"{what}, −6 to −20 dB under the agent", measured, "", None)


def bounded(what: str, outcomes: Sequence[Outcome], *, quick: bool) -> Row:
    """A short run of five tries may miss one."""
    share, percentile, least = (0.8, 50, 4) if quick else (COMMITTED, 95, 95)
    committed = float(np.mean([one.committed for one in outcomes]))
    suspect_ms = np.percentile([one.suspect_ms for one in outcomes], percentile, method="higher")
    bound = f"≥ {share:.0%} of at least {least} committed, suspect p{percentile} ≤ {SUSPECT_MS} ms"
    passed = bool(committed >= share and suspect_ms <= SUSPECT_MS and len(outcomes) >= least)
    return replace(told(what, outcomes), bound=bound, passed=passed)


# ---------------------------------------------------------------------- words


def sentences(number: int) -> Lines:
    """Call ``number``'s share of the sentences that the other rows of words are measured with."""
    return [(one.words, one.phone / LEVEL_RMS) for one in corpus(SENTENCES, VOICES)[number::WIDTH]]


def words_rows(quick: bool) -> list[Row]:
    """The same callers alone; talking over the agent's echo to the end of the sentence, because nobody can
    interrupt this agent; and interrupting him. The ears take the machine, so they come last.

    What was said over the agent goes once more through the bot's uplink, with its gate open.
    """
    count = 1 if quick else SENTENCES * VOICES // WIDTH
    points = QUICK_WORDS_POINTS if quick else WORDS_POINTS

    def calls(name: str, line: Line, every_s: tuple[float, float], **blocks: Any) -> Calls:
        return held(name, planned(line, count, sentences, every_s), quick, **blocks)

    over = [calls(name, line, TALKING_S, barge_in={"enabled": False}) for name, line in lines(quick)]
    live = [] if quick else [calls(name, line, INTERRUPTING_S) for name, line in lines(quick)]
    plans, tries = planned(QUIET_LINE, count, sentences, TALKING_S)
    with Stage() as stage:
        alone = ears(Calls("none", stage.calls(silent, plans), tries), quick)
    heard = [("talks on", one.name, ears(one, quick)) for one in over]
    heard += [("interrupts", one.name, ears(one, quick, live=True)) for one in live]
    return [
        Row(
            f"words wrong of a caller who {does} over echo {name}, against the same caller alone",
            figures(one, alone),
            f"< +{points:g} points",
            one.percent - alone.percent < points,
        )
        for does, name, one in heard
    ]


def ears(calls: Calls, quick: bool, *, live: bool = False) -> Heard:
    """What the ears make of every sentence; ``live``: as it reached the model in the call."""
    words, sounds = [], []
    for call, tries in zip(calls.taken, calls.tries, strict=True):
        first, pcm = received(call) if live else replayed(call)
        words += [one.words for one in tries]
        sounds += [cut_out(pcm, first, call, one, live=live) for one in tries]
    leads_s = FEW_LEADS_S[:1] if quick else FEW_LEADS_S
    return together(hearings(words, sounds, MODEL_HZ, f"over echo {calls.name}", leads_s))


def received(call: Taken) -> tuple[float, Pcm]:
    """What the model was sent, 24 kHz, and when its first sample came."""
    audio = b"".join(audio for _, audio in call.session.appended)
    return call.session.appended[0][0], np.frombuffer(audio, "<i2")


def replayed(call: Taken) -> tuple[float, Pcm]:
    """The same of the call's packets as they passed the phone's relay, by an uplink with an open gate."""
    uplink = Uplink(UplinkParams(ULAW, None, 40, VadParams(), BargeInParams(), EchoParams()))
    assert uplink.echo is not None
    packets = [p for p in call.trace.packets if not p.rtcp and p.payload_type == ULAW.payload_type]
    uplink.start(packets[0].time)
    got = bytearray()
    for packet in packets:
        if packet.from_phone:
            got += uplink.datagram(packet.data, packet.time)
            continue
        uplink.sent(None if packet.payload == SILENCE else packet.payload)
        got += uplink.tick(packet.time)
        if uplink.echo.delays.due and (samples := uplink.echo.delays.estimate()) is not None:
            uplink.echo.set_delay(samples)
    return packets[0].time, np.frombuffer(bytes(got), "<i2")


def cut_out(pcm: Pcm, first: float, call: Taken, one: Try, *, live: bool) -> Pcm:
    """One sentence with a margin, from audio at 24 kHz that began at the moment ``first``. Live, where it was
    held back it is not found, and what there is in its place is taken. Otherwise raises HarnessError."""
    said = call.plan.says[one.begin : one.end]
    place = round((call.moment(one.begin) - first) * RATE_HZ)
    begin = max(0, place - round(REACH_S * RATE_HZ))
    at_8khz = pcm[::3]  # it was 8 kHz before
    match, at = likeness(said, at_8khz[begin : place + len(said) + round(REACH_S * RATE_HZ)])
    if match >= ALIKE:
        place = begin + at
    elif not live:
        raise HarnessError(f"not found, likeness {match:.2f}: «{one.words}» at {one.level_db:.0f} dB")
    margin = round(MARGIN_S * RATE_HZ)
    return pcm[3 * max(0, place - margin) : 3 * (place + len(said) + margin)]


ROWS: dict[str, Measure] = {
    "echo": silent_rows,
    "over-echo": interruption_rows,
    "words-over-echo": words_rows,
    "over-echo-early": early_rows,
    "changing-echo": changing_rows,
    "coughs-over-echo": cough_rows,
}
