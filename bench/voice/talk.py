"""What caller and agent say in the laboratory: several voices, at known samples and levels.

Levels are in dB against the agent's 3277 RMS. The agent's voice has a little noise of its own, so that none
of its frames is digital silence, and none of its pauses can be taken for the bot's.
"""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bench import echo_voices
from bench.echo_rooms import AGENT_RMS, Signal
from bench.echo_voices import CALLER_LINES, CALLERS, SAMPLE_RATE, Corpus
from bench.voice.agent import Part, Session, Speech
from tests.e2e.asterisk import cache_folder
from tests.e2e.sound import Pcm

AMBIENCE_RMS = 16.0
BEGIN_S = 0.3
"""From the first audio that reaches the model until the agent speaks."""
MARK_HZ = 50
"""The lines of a 20 ms frame's spectrum. A marked voice ends at 2800 Hz, and its mark is a tone above."""
FIRST_MARK = 60
MARKS = 8
MARK_PEAK = 800.0
MURMURS = ("[[m'mh'm]]", "uh-huh", "okay", "yes", "right")
"""What a listener says in between: the first is «mm-hm», by its phonemes."""


class Try(NamedTuple):
    """Something that the caller says over the agent, at samples ``begin`` to ``end`` of the plan."""

    begin: int
    end: int
    words: str
    level_db: float


@lru_cache
def corpus() -> Corpus:
    """The voices; spoken once, which takes about a minute, and kept in the cache folder."""
    return echo_voices.load(cache_folder() / "echo-voices")


@lru_cache
def agent_voice(voice: int) -> Signal:
    """All that one of the agents says, as PCM: what levels are measured by."""
    return np.concatenate(corpus().agents[voice]) * AGENT_RMS


@lru_cache
def speeches(voice: int, *, marked: bool = False) -> tuple[Speech, ...]:
    """The agent's lines in one voice, each about 11 s; marked ones each with a tone of its own."""
    rng = np.random.default_rng(voice)
    made = []
    for number, line in enumerate(corpus().agents[voice]):
        samples = line * AGENT_RMS + rng.normal(size=len(line)) * AMBIENCE_RMS
        made.append(Speech(_marked(samples, number) if marked else samples, number))
    return tuple(made)


def _marked(samples: Signal, mark: int) -> Signal:
    spectrum = np.fft.rfft(samples)
    spectrum[np.arange(len(spectrum)) * SAMPLE_RATE / len(samples) > 2800] = 0
    angle = 2 * np.pi * MARK_HZ * (FIRST_MARK + mark) * np.arange(len(samples)) / SAMPLE_RATE
    marked: Signal = np.fft.irfft(spectrum, len(samples)) + MARK_PEAK * np.sin(angle)
    return marked


def mark_of(frame: Pcm) -> int:
    """Whose mark is in 20 ms of a marked voice: the strongest tone."""
    lines = np.abs(np.fft.rfft(frame.astype(np.float64)))[FIRST_MARK : FIRST_MARK + MARKS]
    return int(np.argmax(lines))


def caller_says(
    rng: np.random.Generator,
    lines: Sequence[tuple[str, Signal]],
    *,
    first_s: float,
    every_s: tuple[float, float],
    count: int,
    level_db: tuple[float, float] = (-20.0, -6.0),
) -> tuple[Pcm, list[Try]]:
    """``count`` of the lines, taken by turns, from ``first_s`` on: what the phone is to say, and where."""
    tries, parts, at = [], [], round(first_s * SAMPLE_RATE)
    for number in range(count):
        words, sound = lines[number % len(lines)]
        level = rng.uniform(*level_db)
        tries.append(Try(at, at + len(sound), words, level))
        parts.append(sound * AGENT_RMS * 10 ** (level / 20))
        at += round(rng.uniform(*every_s) * SAMPLE_RATE)
    says = np.zeros(tries[-1].end)
    for one, part in zip(tries, parts, strict=True):
        says[one.begin : one.end] = part
    return np.clip(np.rint(says), -32768, 32767).astype(np.int16), tries


def caller_lines(voice: int, first: int = 0, longest_s: float = 9.0) -> list[tuple[str, Signal]]:
    """A caller's sentences with their words, from line ``first`` on; longer ones break off."""
    spoken = corpus().callers[voice % len(corpus().callers)]
    lines = [
        (words, line[: round(longest_s * SAMPLE_RATE)])
        for words, line in zip(CALLER_LINES, spoken, strict=True)
    ]
    return lines[first % len(lines) :] + lines[: first % len(lines)]


def murmurs(voice: int) -> list[tuple[str, Signal]]:
    """The listener's little words in one of espeak-ng's voices, with their names."""
    voices = [one for one in CALLERS if one.engine == "espeak"]
    one = voices[voice % len(voices)]
    return list(zip(MURMURS, echo_voices.speak(cache_folder() / "murmurs", one, MURMURS), strict=True))


def talking(
    voices: Sequence[Sequence[Speech]], *, after_cut_s: float, gap_s: tuple[float, float] = (0.1, 0.3)
) -> Part:
    """The part of an agent who says one thing after another; cut off, he goes on ``after_cut_s`` later."""
    sessions = iter(range(10**6))

    async def part(session: Session) -> None:
        number = next(sessions)
        rng = np.random.default_rng(number)
        lines = voices[number % len(voices)]
        await asyncio.sleep(BEGIN_S)
        while True:
            number += 1
            cut = await session.say_until(lines[number % len(lines)])
            await asyncio.sleep(after_cut_s if cut else rng.uniform(*gap_s))

    return part
