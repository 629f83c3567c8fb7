"""A noise begins on a line without echo while the agent speaks: how long does he stay silent for it?

The loop is closed, unlike in ``echo_lab``'s other table: while the caller is suspected nothing is sent, and
the canceller falls asleep over it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bench.echo_rooms import FRAME, Signal
from bot.audio.echo import EchoCanceller, EchoParams
from bot.audio.vad import VadParams
from bot.call.barge_in import BargeInParams
from bot.call.ear import Ear
from bot.call.turns import Input

BEFORE_RMS, BEFORE_S, AFTER_S = 15.0, 8, 30
LISTENS_FRAMES = 100
"""After an interruption the agent is silent for 2 s, then speaks again."""


class Silence(NamedTuple):
    """From the noise's beginning on: ``paused`` is the share of time in which a suspect kept the agent
    silent."""

    paused: float
    suspects: int
    commits: int


def white(rng: np.random.Generator, count: int) -> Signal:
    return rng.normal(size=count)


def pink(rng: np.random.Generator, count: int) -> Signal:
    """1/f in power, from 50 Hz on."""
    spectrum = np.fft.rfft(rng.normal(size=count))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(count, 1 / 8000), 50))
    return _unit(np.fft.irfft(spectrum, count))


def keyboard(rng: np.random.Generator, count: int) -> Signal:
    """Some four clicks of 15 ms a second, of white noise that decays."""
    noise, at = np.zeros(count), 0
    click = np.exp(-np.arange(120) / 30)
    while (at := at + int(rng.uniform(0.1, 0.4) * 8000)) < count - len(click):
        noise[at : at + len(click)] += rng.normal(size=len(click)) * click
    return _unit(noise)


def music(rng: np.random.Generator, count: int) -> Signal:
    """Plucked chords of three tones, two a second."""
    time, out = np.arange(12000) / 8000, np.zeros(count + 12000)
    for start in range(0, count, 4000):
        for tone in rng.choice([220, 262, 330, 392, 440, 523], 3, replace=False):
            out[start : start + len(time)] += np.exp(-3 * time) * np.sin(2 * np.pi * tone * time)
    return _unit(out[:count])


def _unit(noise: Signal) -> Signal:
    unit: Signal = noise / noise.std()
    return unit


NOISES: dict[str, Callable[[np.random.Generator, int], Signal]] = {
    "white": white,
    "pink": pink,
    "keyboard": keyboard,
    "music": music,
}

LEVELS = {"white": (100, 200, 400), "pink": (100, 200, 400), "keyboard": (50, 150), "music": (100, 300)}


def begins(rng: np.random.Generator, agent: list[bytes], kind: str, rms: float) -> Silence:
    """``agent``: frames of his voice, without pauses longer than those between words; they go round."""
    count = AFTER_S * 50 * FRAME
    quiet = white(rng, BEFORE_S * 50 * FRAME) * BEFORE_RMS
    noise = BEFORE_RMS * white(rng, count) + NOISES[kind](rng, count) * rms
    sound = np.clip(np.rint(np.concatenate([quiet, noise])), -32768, 32767).astype("<i2").tobytes()
    return over_agent(agent, [sound[at : at + 2 * FRAME] for at in range(0, len(sound), 2 * FRAME)])


def over_agent(agent: list[bytes], near: list[bytes], since: int = BEFORE_S * 50) -> Silence:
    """What ``near`` does to an agent who speaks all the time; counted from frame ``since`` on."""
    echo = EchoCanceller(EchoParams())
    ear = Ear(VadParams(), BargeInParams(), echo)
    ear.listen_over_agent(True)
    paused = suspects = commits = listens = spoken = 0
    suspected = False
    for number, frame in enumerate(near):
        speaks = not suspected and not listens
        echo.sent(agent[spoken % len(agent)] if speaks else None)
        spoken += speaks
        decided = ear.process(frame).decided
        if decided is Input.SPEECH:
            suspected = True
            suspects += number >= since
        elif decided is not None:
            suspected = False
            commits += decided is Input.COMMIT and number >= since
            listens = LISTENS_FRAMES if decided is Input.COMMIT else 0
            ear.listen_over_agent(not listens)
        elif listens:
            listens -= 1
            ear.listen_over_agent(not listens)
        paused += suspected and number >= since
    return Silence(paused / (len(near) - since), suspects, commits)
