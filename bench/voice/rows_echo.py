"""Speakerphones: what the agent says comes back with the caller's voice, 12 dB below it after 250 ms (A) or
6 dB below after 400 ms (B), with a room's tail and a loudspeaker's distortion.

The echo is made of the very packets that the phone was given, on its leg of a real call.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bench.echo_rooms import Line
from bench.voice.agent import silent
from bench.voice.row import Measure, Row, tell
from bench.voice.rows_turns import AFTER_CUT_S, QUIET_LINE, SUSPECT_MS, plan_tries, room, silence_ms
from bench.voice.stage import FRAME_S, WIDTH, Plan, Stage, Taken
from bench.voice.talk import Try, caller_lines, speeches, talking
from bot.offline.ears import transcribe

A, B = Line(), Line(echo_db=-6, delay_ms=400)
CHANGING = {
    "A, a new room every 15 s": replace(A, change_every_s=15),
    "A, 60 ms more delay every 15 s": replace(A, change_every_s=15, jump_ms=60),
}
COMMITTED, WORDS_POINTS = 0.96, 8.0
#: One word of five sentences is two points and more.
QUICK_WORDS_POINTS = 30.0
DECIDED_S = 1.0
"""A commit belongs to what the caller said until so long before."""
MARGIN_S = 0.5
"""The model's ears are given so much around a sentence."""


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
    seconds = 20.0 if quick else 150.0
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
                "0 commits, ≤ 1 suspect a minute",
                commits == 0 and suspects <= max(1, minutes),
            )
        )
    return rows


# ---------------------------------------------------------------------- interruptions over the echo


def interruption_rows(quick: bool) -> list[Row]:
    """50 interruptions over each echo; the same callers alone, for the words."""
    count = 1 if quick else 10
    voices = [speeches(voice) for voice in range(1 if quick else 3)]
    rows, outcomes = [], []
    plans, tries = planned(QUIET_LINE, count)
    with Stage() as stage:
        alone = stage.calls(silent, plans)
        for name, line in lines(quick):
            plans, tries = planned(line, count)
            over = stage.calls(talking(voices, after_cut_s=AFTER_CUT_S, gap_s=(0.0, 0.05)), plans)
            found = [one for call, said in zip(over, tries, strict=True) for one in outcomes_of(call, said)]
            outcomes += found
            points = QUICK_WORDS_POINTS if quick else WORDS_POINTS
            rows.append(told(f"real barge-in over echo {name}", found))
            rows.append(words_row(name, over, alone, tries, points))
    return [bounded("real barge-in over echo A and B", outcomes, 50 if quick else 95), *rows]


def planned(line: Line, count: int) -> tuple[list[Plan], list[list[Try]]]:
    """The same callers and sentences on whatever line."""
    both = [plan_tries(n, caller_lines(n, n), count, line=line) for n in range(WIDTH)]
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
            taken = stage.calls(talking(voices, after_cut_s=AFTER_CUT_S, gap_s=(0.0, 0.05)), plans)
        found = [one for call, said in zip(taken, tries, strict=True) for one in outcomes_of(call, said)]
        rows.append(told(f"real barge-in within the first 7 s over echo {name}", found))
    return rows


def changing_rows(quick: bool) -> list[Row]:
    """The room, or the delay, is another one every 15 s."""
    count = 2 if quick else 8
    voices = [speeches(voice) for voice in range(1 if quick else 3)]
    rows = []
    for name, line in list(CHANGING.items())[: 1 if quick else None]:
        plans, tries = planned(line, count)
        with Stage() as stage:
            taken = stage.calls(talking(voices, after_cut_s=AFTER_CUT_S, gap_s=(0.0, 0.05)), plans)
        found = [one for call, said in zip(taken, tries, strict=True) for one in outcomes_of(call, said)]
        row = told(f"echo {name}", found)
        unmeant = [unmeant_decisions(call, said) for call, said in zip(taken, tries, strict=True)]
        minutes = sum(call.plan.seconds for call in taken) / 60
        counts = f"{sum(s for s, _ in unmeant)} suspects and {sum(c for _, c in unmeant)} commits that"
        rows.append(replace(row, measured=f"{row.measured}; {counts} nobody meant in {minutes:.0f} min"))
    return rows


def outcomes_of(call: Taken, tries: Sequence[Try]) -> list[Outcome]:
    """For each try over an agent who was speaking when it began."""
    found = []
    cuts = call.noted("cut")
    for one in tries:
        begin, end = call.moment(one.begin), call.moment(one.end) + DECIDED_S
        if not call.agent(begin - 0.1, begin):
            continue
        pauses = [pause for pause in call.noted("pause") if begin < pause < end]
        committed = any(begin < cut < end for cut in cuts)
        found.append(Outcome(committed, silence_ms(call, one) if pauses else float("inf")))
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
    return Row(f"{what}, −6 to −20 dB under the agent", measured, "told", None)


def bounded(what: str, outcomes: Sequence[Outcome], percentile: int) -> Row:
    share = float(np.mean([one.committed for one in outcomes]))
    suspect_ms = np.percentile([one.suspect_ms for one in outcomes], percentile, method="higher")
    bound = f"≥ {COMMITTED:.0%} committed, suspect p{percentile} ≤ {SUSPECT_MS} ms"
    passed = bool(share >= COMMITTED and suspect_ms <= SUSPECT_MS)
    return replace(told(what, outcomes), bound=bound, passed=passed)


# ---------------------------------------------------------------------- words


def words_row(
    name: str, over: Sequence[Taken], alone: Sequence[Taken], tries: Sequence[Sequence[Try]], points: float
) -> Row:
    """Words that Whisper gets wrong of what the model was sent: over the agent's echo, and alone."""
    import jiwer

    said, heard_over, heard_alone = [], [], []
    for call, lone, ones in zip(over, alone, tries, strict=True):
        for one in ones:
            said.append(plain(one.words))
            heard_over.append(plain(ears(call, one)))
            heard_alone.append(plain(ears(lone, one)))
    wrong, wrong_alone = (100 * float(jiwer.wer(said, heard)) for heard in (heard_over, heard_alone))
    return Row(
        f"words wrong of a caller over echo {name}, against the same caller alone, {len(said)} sentences",
        f"{wrong:.1f} % against {wrong_alone:.1f} %: {wrong - wrong_alone:+.1f} points",
        f"< +{points:g} points",
        wrong - wrong_alone < points,
    )


def ears(call: Taken, one: Try) -> str:
    audio = call.session.audio(call.moment(one.begin) - MARGIN_S, call.moment(one.end) + MARGIN_S)
    return transcribe(audio.tobytes(), 24000)


def plain(words: str) -> str:
    return " ".join("".join(c for c in words.lower() if c.isalnum() or c == " ").split())


ROWS: dict[str, Measure] = {
    "echo": silent_rows,
    "over-echo": interruption_rows,
    "over-echo-early": early_rows,
    "changing-echo": changing_rows,
}
