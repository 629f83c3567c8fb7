"""Who may speak: a caller who interrupts, a listener's «mm-hm», a farewell that is heard out.

On a line without an echo; ``rows_echo`` has the speakerphones. The caller's *onset* is the first sample at
his mouth; the agent is *silent* when the last frame of his voice has been played, 20 ms after it passed the
phone's relay.
"""

import asyncio
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from bench.echo_rooms import Line, Room, Signal
from bench.voice.agent import Session, Speech
from bench.voice.row import Measure, Row, tell
from bench.voice.stage import FRAME, SILENCE, WIDTH, Plan, Said, Stage, Taken
from bench.voice.talk import (
    BEGIN_S,
    Try,
    agent_voice,
    caller_lines,
    caller_says,
    mark_of,
    murmurs,
    speeches,
    talking,
)
from bench.voice.wire import Left, Wire
from bot.audio.g711 import ULAW
from tests.e2e.sound import RATE_HZ, decode, likeness

QUIET_LINE = Line(echo_db=None)
SUSPECT_MS, EVENT_MS, TRUNCATION_MS = 300, 20, 40
COMMITTED, EVENTS = 0.96, 0.8
BACK_MS = 1000
NO_GAP_S = (0.0, 0.05)
"""Between what the agent says: a try should not fall into it."""
FADED = ULAW.silence * 40
"""Nothing of a voice that has a little noise of its own: in a frame that has it, the voice fades."""
AFTER_CUT_S = 2.5
"""A new response begins so long after the old one was cut off."""
WAIT_S = 1.5
"""What the bot makes of a caller's words is known so long after the last of them."""
LEARNT_S = 9.0
"""The canceller knows the line after about 7 s of the agent's voice."""


def room(number: int, line: Line) -> Callable[[], Room]:
    """Call ``number``'s room; its agent has the voice that ``talking`` gives him."""
    kind = SkewedRoom if line.skew_ppm else Room
    return lambda: kind(np.random.default_rng(number), line, agent_voice(number % 3))


class SkewedRoom(Room):
    """The phone's clock is off: what comes back comes later and later."""

    def _echo(self, start: int, count: int) -> Signal:
        whole, part = divmod(self._near * self._line.skew_ppm * 1e-6, 1)
        sooner, later = (super(SkewedRoom, self)._echo(start - int(whole) - n, count) for n in (0, 1))
        return sooner * (1 - part) + later * part


def plan_tries(
    number: int,
    lines: Sequence[tuple[str, np.ndarray]],
    count: int,
    *,
    line: Line = QUIET_LINE,
    first_s: float = LEARNT_S,
    every_s: tuple[float, float] = (6.5, 7.5),
) -> tuple[Plan, list[Try]]:
    """Call ``number``: the caller says ``count`` of the lines at −20 to −6 dB under the agent."""
    says, tries = caller_says(
        np.random.default_rng((number, count)), lines, first_s=first_s, every_s=every_s, count=count
    )
    return Plan(says, len(says) / RATE_HZ + WAIT_S, room(number, line)), tries


# ---------------------------------------------------------------------- interruptions


def interruption_rows(quick: bool) -> list[Row]:
    """100 interruptions and a few to spare; each response of the agent carries a tone of its own."""
    count, least = (2, 8) if quick else (21, 95)
    voices = [speeches(voice, marked=True) for voice in range(1 if quick else 3)]
    plans, tries = zip(*(plan_tries(n, caller_lines(n, n), count) for n in range(WIDTH)), strict=True)
    with Stage() as stage:
        taken = stage.calls(talking(voices, after_cut_s=AFTER_CUT_S, gap_s=NO_GAP_S), plans)
    found = spoken_over(taken, tries)
    silent_ms = [silence_ms(call, one) for call, one in found]
    wrong_ms = [wrong for call in taken for wrong in truncations_ms(call)]
    stale_ms = sum(stale_frames(call) for call in taken) * 20
    cuts = sum(len(call.session.cuts) for call in taken)
    enough = 0.8 if quick else COMMITTED
    p50, p95 = np.percentile(silent_ms, [50, 95], method="higher")
    judged, which = (p50, "p50") if quick else (p95, "p95")
    return [
        Row(
            f"caller's speech onset → agent silent at the caller's ear, {len(found)} times",
            f"p50 {p50:.0f}, p95 {p95:.0f} ms",
            f"{which} ≤ {SUSPECT_MS} ms, ≥ {least} times",
            bool(judged <= SUSPECT_MS and len(found) >= least),
        ),
        Row(
            f"`audio_end_ms` against what the caller heard of the item, {len(wrong_ms)} items",
            f"{min(wrong_ms):+.0f} to {max(wrong_ms):+.0f} ms",
            f"within {TRUNCATION_MS} ms",
            abs(max(wrong_ms, key=abs)) <= TRUNCATION_MS,
        ),
        Row(
            f"agent audio of the old response at the caller after a commit, {len(found)} interruptions",
            f"{stale_ms} ms after {cuts} commits",
            f"0 ms, ≥ {enough:.0%} committed",
            stale_ms == 0 and cuts >= enough * len(found),
        ),
    ]


def spoken_over(taken: Sequence[Taken], tries: Sequence[Sequence[Try]]) -> list[tuple[Taken, Try]]:
    """The tries that fell upon an agent who was speaking."""
    return [
        (call, one)
        for call, said in zip(taken, tries, strict=True)
        for one in said
        if call.agent(call.moment(one.begin) - 0.1, call.moment(one.begin))
    ]


def silence_ms(call: Taken, one: Try) -> float:
    onset = call.moment(one.begin)
    return (call.silent_from(onset) - onset) * 1000


def truncations_ms(call: Taken) -> list[float]:
    """For each truncation, the item's milliseconds as the bot told them less those the caller was given."""
    wrong = []
    marks = {spoken.item_id: (spoken.time, spoken.speech.mark) for spoken in call.session.spoken}
    for cut in call.session.cuts:
        began, mark = marks[cut.item_id]
        wrong.append(cut.audio_end_ms - given_ms(call.agent(began, cut.time + 0.2), mark))
    return wrong


def given_ms(frames: Sequence[Said], mark: int) -> float:
    """How much of one item is in them. Five milliseconds, which a voice takes to fade, are too little to tell
    a mark by; they belong to the frame before."""
    samples, whose = 0, -1
    for frame in frames:
        if FADED not in frame.payload:
            whose = _mark(frame)
        if whose == mark:
            samples += len(frame.payload.rstrip(ULAW.silence))
    return 1000 * samples / RATE_HZ


def stale_frames(call: Taken) -> int:
    """Frames of a response that reached the caller after the model had been told of its end."""
    stale = 0
    ends = [cut.time for cut in call.session.cuts[1:]] + [float("inf")]
    marks = {spoken.item_id: spoken.speech.mark for spoken in call.session.spoken}
    for cut, until in zip(call.session.cuts, ends, strict=True):
        whole = (frame for frame in call.agent(cut.time, until) if FADED not in frame.payload)
        stale += sum(_mark(frame) == marks[cut.item_id] for frame in whole)
    return stale


def _mark(frame: Said) -> int:
    return mark_of(decode(frame.payload, 0))


# ---------------------------------------------------------------------- the model hears the caller first


def event_rows(quick: bool) -> list[Row]:
    """The model says that the caller speaks while the agent is audible; nobody does, so it is forgotten."""
    phones, count = (3, 10) if quick else (WIDTH, 100)
    what = "speech-start event in → last agent packet out"
    numbers = itertools.count()

    async def part(session: Session) -> None:
        number = next(numbers)
        lines = speeches(number % 3)
        rng = np.random.default_rng(number)
        await asyncio.sleep(BEGIN_S)
        talk = asyncio.create_task(_talk(session, lines[number:] + lines[:number]))
        try:
            for _ in range(count):
                await asyncio.sleep(rng.uniform(0.9, 1.1))
                await session.hear()
        finally:
            talk.cancel()

    plans = [Plan(np.zeros(0, np.int16), count * 1.0 + 2) for _ in range(phones)]
    with Stage(phones=phones) as stage:
        first, last = map(int, stage.bot.settings["media"]["rtp"]["ports"].split("-"))
        try:
            with Wire(first, last) as wire:
                taken = stage.calls(part, plans)
        except PermissionError:
            return [Row(what, "not measured: needs CAP_NET_RAW", f"p99 ≤ {EVENT_MS} ms", None)]
    took_ms: list[float] = []
    for call in taken:
        left = max(wire.streams.values(), key=lambda stream: _same_voice(call, stream))
        voice = [frame.time for frame in left if frame.payload != SILENCE]
        for told in call.session.told:
            took_ms += _last_packet_ms(told, voice)
    told = sum(len(call.session.told) for call in taken)
    p50, p99 = np.percentile(took_ms, [50, 99], method="higher")
    return [
        Row(
            f"{what}, {len(took_ms)} of {told} times",
            f"p50 {p50:.1f}, p99 {p99:.1f}, longest {max(took_ms):.1f} ms",
            f"p99 ≤ {EVENT_MS} ms, ≥ {EVENTS:.0%} of the times",
            bool(p99 <= EVENT_MS and len(took_ms) >= EVENTS * told),
        )
    ]


async def _talk(session: Session, lines: Sequence[Speech]) -> None:
    for line in itertools.cycle(lines):
        await session.say_until(line)


def _same_voice(call: Taken, left: Sequence[Left]) -> float:
    """How much this is the bot's end of the call: Asterisk passes payloads on as they are."""
    heard = {frame.payload for frame in call.agent(0, float("inf"))}
    sent = [frame.payload for frame in left if frame.payload != SILENCE]
    return sum(payload in heard for payload in sent) / max(1, len(sent))


def _last_packet_ms(told: float, voice: Sequence[float]) -> list[float]:
    """Milliseconds to the last packet of voice before the pause; nothing if the agent was silent anyway."""
    around = [time for time in voice if told - 0.1 < time < told + 0.2]
    if not around or around[0] > told:
        return []
    return [max(0.0, around[-1] - told) * 1000]


# ---------------------------------------------------------------------- «mm-hm»


def murmur_rows(quick: bool) -> list[Row]:
    """A listener's little words under the agent."""
    count, least = (2, 8) if quick else (11, 50)
    plans, tries = zip(
        *(plan_tries(n, murmurs(n)[n:] + murmurs(n)[:n], count, every_s=(4.0, 4.5)) for n in range(WIDTH)),
        strict=True,
    )
    with Stage() as stage:
        voices = [speeches(v) for v in range(3)]
        taken = stage.calls(talking(voices, after_cut_s=1.0, gap_s=NO_GAP_S), plans)
    found = spoken_over(taken, tries)
    pauses = [pause_ms(call, one) for call, one in found]
    fine = [untold(*one) and pause <= BACK_MS for one, pause in zip(found, pauses, strict=True)]
    for (_, one), went_on, pause in zip(found, fine, pauses, strict=True):
        tell(f"{one.words}: {'went on' if went_on else 'interrupted'}, pause {pause:.0f} ms")
    return [
        Row(
            f"«mm-hm» under the agent: he goes on within {BACK_MS} ms, the model is not told",
            f"{sum(fine)} of {len(found)}; pause p50 {np.percentile(pauses, 50):.0f}, "
            f"longest {max(pauses):.0f} ms",
            f"≥ 90 % of at least {least}",
            sum(fine) >= 0.9 * len(found) and len(found) >= least,
        )
    ]


def untold(call: Taken, one: Try) -> bool:
    """Whether the model was sent nothing but silence, and cut off nothing, from a try on."""
    begin, end = call.moment(one.begin), call.moment(one.end) + WAIT_S
    cut = any(begin < cut.time < end for cut in call.session.cuts)
    return not cut and not call.session.came(begin, end).any()


def pause_ms(call: Taken, one: Try) -> float:
    """The longest silence of the agent from a try on."""
    begin, end = call.moment(one.begin), call.moment(one.end) + WAIT_S
    times = [begin, *(frame.time for frame in call.agent(begin, end)), end]
    gap = max(later - earlier for earlier, later in itertools.pairwise(times))
    return max(0.0, gap * 1000 - 20)


# ---------------------------------------------------------------------- the farewell


def farewell_rows(quick: bool) -> list[Row]:
    """The agent hangs up with a farewell of 15 s. The caller talks into it once the bot knows that it is
    one: the model calls the function when its audio is sent, in a quarter of the time."""
    calls = WIDTH if quick else 4 * WIDTH
    seconds = 5.0 if quick else 15.0
    farewell = np.concatenate([agent_voice(0), agent_voice(0)])[: round(seconds * RATE_HZ)]
    farewell = farewell + np.random.default_rng(1).normal(size=len(farewell)) * 16
    speech = Speech(farewell)

    async def part(session: Session) -> None:
        await asyncio.sleep(BEGIN_S)
        await session.say(speech, call="hangup_call")

    plans = []
    for number in range(calls):
        plan, _ = plan_tries(
            number,
            caller_lines(number, number),
            round(seconds / 4),
            first_s=seconds / 4 + 1,
            every_s=(2.8, 3.0),
        )
        plans.append(Plan(plan.says, seconds + 10, plan.room))
    with Stage() as stage:
        taken = stage.calls(part, plans, leaves=True)
    whole = [heard_out(call, speech) for call in taken]
    return [
        Row(
            f"{seconds:g} s farewell heard to its last word while the caller talks into it, then hung up",
            f"{sum(whole)} of {calls}",
            "all",
            all(whole),
        )
    ]


def heard_out(call: Taken, speech: Speech) -> bool:
    """Whether every frame of the farewell came, its last second last, and then the call was ended."""
    given = call.agent(0, float("inf"))
    frames = round(speech.seconds * RATE_HZ / FRAME)
    heard = np.concatenate([decode(frame.payload, 0) for frame in given]) if given else np.zeros(0, np.int16)
    match, at = likeness(speech.ending, heard)
    at_the_end = len(heard) - at - len(speech.ending) < 2 * FRAME
    whole = frames <= len(given) <= frames + 2 and match > 0.95 and at_the_end
    return whole and call.trace.ended_by == "asterisk"


ROWS: dict[str, Measure] = {
    "interruptions": interruption_rows,
    "events": event_rows,
    "murmurs": murmur_rows,
    "farewell": farewell_rows,
}
