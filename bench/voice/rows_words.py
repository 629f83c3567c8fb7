"""Words that the path adds to what the model gets wrong of the caller, and the caller of the agent.

All is recorded before any of it is heard: ears take the whole machine, which the calls would notice.
"""

import itertools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bench.voice.line import Call, Line
from bench.voice.machine import PACER_LATE, check_clean, check_pace
from bench.voice.row import Measure, Row, tell
from bench.voice.speech import MODEL_HZ, PHONE_HZ, Pcm, Spoken, Track, corpus, cut, track
from bench.voice.words import LEADS_S, Heard, figures, hear, hearings, row, together
from bot.audio.g711 import ULAW
from tests.e2e.asterisk import HarnessError, wait_for
from tests.e2e.proxy import CLEAN, Impairment
from tests.e2e.sound import likeness

BAD = Impairment(loss=0.03, jitter_ms=40, displaced=0.01)
CLEAN_POINTS, BAD_POINTS = 2.0, 5.0
CLEAN_LIKE, BAD_LIKE = 0.6, 0.3
"""How much like itself a sentence is that came over such a line."""
REACH_S = 1.0
"""How far from its place, as the sentence before tells it, a sentence is looked for."""
LATE_S = 15.0
TRIES = 3
"""Recordings on a clean line, until one is undisturbed by the machine."""


class Plan(NamedTuple):
    """``voices`` each speak ``sentences``, shared among ``calls`` at once."""

    sentences: int
    voices: int
    calls: int

    def spoken(self) -> tuple[Spoken, ...]:
        return corpus(self.sentences, self.voices)


class Recorded(NamedTuple):
    """``sounds`` in the order of the sentences; ``tries``: how many recordings it took."""

    sounds: tuple[Pcm, ...]
    tries: int

    @property
    def note(self) -> str:
        return f", recorded {self.tries} times" if self.tries > 1 else ""


QUICK, FULL = Plan(2, 1, 1), Plan(40, 3, 4)


def to_model(
    what: str, points: float, *, from_phone: Impairment = CLEAN, to_bot: Impairment = CLEAN
) -> Measure:
    """What the model hears of the caller."""

    def measure(quick: bool) -> list[Row]:
        plan = QUICK if quick else FULL
        recorded = _recorded(plan, at_model, ("lost", "late"), from_phone=from_phone, to_bot=to_bot)
        every = 2 if points > CLEAN_POINTS else 1  # a wide bound needs fewer hearings
        path = hearings(_words(plan), recorded.sounds, MODEL_HZ, what, LEADS_S[::every])
        source = together(_source(plan)[::every])
        return [row(what + recorded.note, together(path), source, points, quick=quick)]

    return measure


def to_caller(quick: bool) -> list[Row]:
    """What the caller hears of the agent."""
    plan = QUICK if quick else FULL
    what = "words wrong of the agent at the caller, clean line"
    recorded = agent_at_caller(plan)
    path = hear(_words(plan), recorded.sounds, PHONE_HZ, what)
    return [row(what + recorded.note, path, together(_source(plan)), CLEAN_POINTS, quick=quick)]


def ears_alone(quick: bool) -> list[Row]:
    """What would be read of a path that does nothing, and of G.711 alone."""
    plan = QUICK if quick else FULL
    source = _source(plan)
    half, other = together(source[::2]), together(source[1::2])
    coded = hear(_words(plan), map(_coded, _alone(plan)), PHONE_HZ, "G.711 alone")
    return [
        Row("no path: half of the hearings against the other half", figures(other, half), "", None),
        Row("G.711 alone, which every phone does", figures(coded, together(source)), "", None),
    ]


@lru_cache
def agent_at_caller(plan: Plan) -> Recorded:
    """Each sentence as the caller's phone received it from the agent, 8 kHz."""
    return _recorded(plan, at_caller, ("underruns",))


@lru_cache
def _source(plan: Plan) -> list[Heard]:
    """The same sentences at 8 kHz, with the same silence around them, that went nowhere; lead by lead."""
    return hearings(_words(plan), _alone(plan), PHONE_HZ, "without the path")


def _alone(plan: Plan) -> list[Pcm]:
    whole = [track((sentence,)) for sentence in plan.spoken()]
    return [cut(one.phone, PHONE_HZ, one.spans[0]) for one in whole]


def _coded(pcm: Pcm) -> Pcm:
    return np.frombuffer(ULAW.decode(ULAW.encode(pcm.astype("<i2").tobytes())), "<i2")


def _words(plan: Plan) -> list[str]:
    return [sentence.words for sentence in plan.spoken()]


# ---------------------------------------------------------------------- one call


def at_model(call: Call, said: Track, least: float) -> list[Pcm]:
    """What the model received of each sentence that the caller says, 24 kHz."""

    def received() -> Pcm:
        return np.frombuffer(bytes(call.session.received), "<i2")

    call.phone.say(said.phone)
    # It was 8 kHz before, so every third sample is all of it.
    _wait_for_last(lambda: received()[::3], said, least)
    pcm = received()
    return _sentences(pcm, MODEL_HZ, said, pcm[::3], least)


def at_caller(call: Call, said: Track, least: float) -> list[Pcm]:
    """What the caller's phone received of each sentence that the agent says, 8 kHz."""

    def heard() -> Pcm:
        return call.phone.trace().in_order(from_phone=False)

    call.session.say(said.model.tobytes())
    time.sleep(len(said.phone) / PHONE_HZ)
    _wait_for_last(heard, said, least)
    return _sentences(heard(), PHONE_HZ, said, heard(), least)


def _wait_for_last(heard: Callable[[], Pcm], said: Track, least: float) -> None:
    """Until the last sentence has come, and the pause after it."""
    last = said.sentence(-1)

    def come() -> bool:
        pcm = heard()[-round(LATE_S * PHONE_HZ) - len(last) :]
        match, place = likeness(last, pcm)
        return match >= least and len(pcm) - place - len(last) >= PHONE_HZ / 2

    wait_for("the last sentence at the other end", come, LATE_S, 0.5)


def _sentences(pcm: Pcm, rate_hz: int, said: Track, at_8khz: Pcm, least: float) -> list[Pcm]:
    """Each is looked for by itself, for the line may be early or late by then.

    Raises HarnessError when one is not where it should be.
    """
    sounds = []
    before_s = None
    for number, span in enumerate(said.spans):
        sentence = said.sentence(number)
        begin = round(span[0] * PHONE_HZ)  # of its margin, in the track
        if before_s is None:
            first, window = 0, at_8khz
        else:
            first = max(0, begin + round((before_s - REACH_S) * PHONE_HZ))
            window = at_8khz[first : first + len(sentence) + round(3 * REACH_S * PHONE_HZ)]
        match, place = likeness(sentence, window)
        if match < least:
            raise HarnessError(f"not found, likeness {match:.2f}: «{said.words[number]}»")
        margin = (len(said.phone[begin : round(span[1] * PHONE_HZ)]) - len(sentence)) // 2
        before_s = (first + place - margin - begin) / PHONE_HZ
        sounds.append(cut(pcm, rate_hz, span, before_s))
    return sounds


Way = Callable[[Call, Track, float], Sequence[Pcm]]


def _recorded(
    plan: Plan,
    way: Way,
    harm: Sequence[str],
    *,
    from_phone: Impairment = CLEAN,
    to_bot: Impairment = CLEAN,
) -> Recorded:
    """Every sentence; on a clean line until the machine left it alone, by the counts ``harm`` of the calls'
    quality. Raises HarnessError when it never does. A short run's bounds are so wide that it need not ask."""
    clean = from_phone == to_bot == CLEAN
    least = CLEAN_LIKE if clean else BAD_LIKE
    for tries in itertools.count(1):
        try:
            with Line(plan.calls, from_phone=from_phone, to_bot=to_bot) as line:
                line.bot.metric(PACER_LATE)  # reading it begins a new one
                sounds = _in_parallel(line, plan, lambda call, said: way(call, said, least))
                if plan != QUICK:
                    if "late" in harm:  # to the phone, packet after packet, it does not matter when
                        check_pace(line.bot)
                    if clean:
                        check_clean(line.bot, line.rows, harm)
            return Recorded(sounds, tries)
        except HarnessError as error:  # a sentence that a stall has torn apart is not found
            tell(f"recording {tries}: {error}")
            if not clean or tries == TRIES:
                raise
    raise AssertionError


def _in_parallel(line: Line, plan: Plan, way: Callable[[Call, Track], Sequence[Pcm]]) -> tuple[Pcm, ...]:
    """The sentences shared among calls, and the sounds in the sentences' order."""
    spoken = plan.spoken()
    tracks = [track(spoken[n :: plan.calls]) for n in range(plan.calls)]
    longest_s = max(len(one.phone) for one in tracks) / PHONE_HZ
    tell(f"{len(spoken)} sentences in {plan.calls} calls, {longest_s:.0f} s")
    with ExitStack() as stack, ThreadPoolExecutor(plan.calls) as pool:
        calls = [stack.enter_context(line.call(n)) for n in range(plan.calls)]
        shares = list(pool.map(way, calls, tracks))
    return tuple(shares[n % plan.calls][n // plan.calls] for n in range(len(spoken)))


ROWS: dict[str, Measure] = {
    "words-ears": ears_alone,
    "words-to-model": to_model("words wrong at the model, clean line", CLEAN_POINTS),
    "words-bad-phone-leg": to_model(
        "the same, 3 % lost, 40 ms jitter, 1 % displaced, on the phone's leg", BAD_POINTS, from_phone=BAD
    ),
    "words-bad-bot-leg": to_model("the same, between Asterisk and the bot", BAD_POINTS, to_bot=BAD),
    "words-to-caller": to_caller,
}
