"""Words that the path adds to what the model gets wrong of the caller, and the caller of the agent."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bench.voice.line import Call, Line
from bench.voice.row import Measure, Row, tell
from bench.voice.speech import MODEL_HZ, PHONE_HZ, Pcm, Spoken, Track, corpus, cut, track
from bench.voice.words import Heard, hear, row
from tests.e2e.proxy import CLEAN, Impairment
from tests.e2e.sound import likeness

BAD = Impairment(loss=0.03, jitter_ms=40, displaced=0.01)
CLEAN_POINTS, BAD_POINTS = 2.0, 5.0
LATE_S = 2.0


class Plan(NamedTuple):
    """``voices`` each speak ``sentences``, shared among ``calls`` at once."""

    sentences: int
    voices: int
    calls: int

    def spoken(self) -> tuple[Spoken, ...]:
        return corpus(self.sentences, self.voices)


QUICK, FULL = Plan(2, 1, 1), Plan(40, 3, 8)


def to_model(
    what: str, points: float, *, from_phone: Impairment = CLEAN, to_bot: Impairment = CLEAN
) -> Measure:
    """What the model hears of the caller."""

    def measure(quick: bool) -> list[Row]:
        plan = QUICK if quick else FULL
        with Line(plan.calls, from_phone=from_phone, to_bot=to_bot) as line:
            sounds = _in_parallel(line, plan, at_model)
        path = hear(_words(plan), sounds, MODEL_HZ, what)
        return [row(what, path, _source(plan), points, quick=quick)]

    return measure


def to_caller(quick: bool) -> list[Row]:
    """What the caller hears of the agent."""
    plan = QUICK if quick else FULL
    what = "words wrong of the agent at the caller, clean line"
    path = hear(_words(plan), agent_at_caller(plan), PHONE_HZ, what)
    return [row(what, path, _source(plan), CLEAN_POINTS, quick=quick)]


@lru_cache
def agent_at_caller(plan: Plan) -> tuple[Pcm, ...]:
    """Each sentence as the caller's phone received it from the agent, 8 kHz."""
    with Line(plan.calls) as line:
        return _in_parallel(line, plan, at_caller)


@lru_cache
def _source(plan: Plan) -> Heard:
    """The same sentences at 8 kHz, with the same silence around them, that went nowhere."""
    whole = [track((sentence,)) for sentence in plan.spoken()]
    sounds = [cut(one.phone, PHONE_HZ, one.spans[0]) for one in whole]
    return hear(_words(plan), sounds, PHONE_HZ, "without the path")


def _words(plan: Plan) -> list[str]:
    return [sentence.words for sentence in plan.spoken()]


# ---------------------------------------------------------------------- one call


def at_model(call: Call, said: Track) -> list[Pcm]:
    """What the model received of each sentence that the caller says, 24 kHz."""
    call.phone.say(said.phone)
    time.sleep(LATE_S)
    received = np.frombuffer(bytes(call.session.received), "<i2")
    # It was 8 kHz before, so every third sample is all of it.
    return _sentences(received, MODEL_HZ, said, received[::3])


def at_caller(call: Call, said: Track) -> list[Pcm]:
    """What the caller's phone received of each sentence that the agent says, 8 kHz."""
    call.session.say(said.model.tobytes())
    time.sleep(len(said.phone) / PHONE_HZ)
    call.phone.wait_silence(LATE_S)  # on a busy machine the agent may be behind
    time.sleep(said.spans[0][0])  # and the last pause
    heard = call.phone.trace().in_order(from_phone=False)
    return _sentences(heard, PHONE_HZ, said, heard)


def _sentences(pcm: Pcm, rate_hz: int, said: Track, at_8khz: Pcm) -> list[Pcm]:
    _, place = likeness(said.phone, at_8khz)
    return [cut(pcm, rate_hz, span, place / PHONE_HZ) for span in said.spans]


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
    "words-to-model": to_model("words wrong at the model, clean line", CLEAN_POINTS),
    "words-bad-phone-leg": to_model(
        "the same, 3 % lost, 40 ms jitter, 1 % displaced, on the phone's leg", BAD_POINTS, from_phone=BAD
    ),
    "words-bad-bot-leg": to_model("the same, between Asterisk and the bot", BAD_POINTS, to_bot=BAD),
    "words-to-caller": to_caller,
}
