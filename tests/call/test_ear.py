"""What the ear makes of the canceller's score and the VAD, on a canceller that says what it is told."""

import numpy as np
import pytest

from bench.echo_noise import begins
from bench.echo_rooms import cough
from bot.audio.echo import Residual
from bot.audio.vad import VadParams
from bot.call.barge_in import BargeInParams
from bot.call.ear import Ear
from bot.call.turns import Input
from tests.audio.echo.sounds import AGENT_RMS, babble, frames

QUIET = bytes(320)
LEAST = -8.0


class Scores:
    """Stands for the canceller: one score a frame, None while it sleeps."""

    def __init__(self, *scores: float | None) -> None:
        self._scores = iter(scores)
        self.asleep = False

    def process(self, near: bytes) -> Residual:
        score = next(self._scores)
        self.asleep = score is None
        return Residual(near, False, LEAST if score is None else score)


def decide(*scores: float | None) -> list[tuple[int, Input]]:
    """Decisions on frames without a voice, with the number of the frame."""
    ear = Ear(VadParams(), BargeInParams(), Scores(*scores))
    ear.listen_over_agent(True)
    heard = [ear.process(QUIET).decided for _ in scores]
    return [(n, one) for n, one in enumerate(heard) if one is not None]


def test_one_clear_frame_makes_a_suspect() -> None:
    assert decide(*[0.0] * 5, 9.5, *[0.0] * 5) == [(5, Input.SPEECH)]


def test_what_the_detector_remembers_from_before_its_sleep_is_no_suspect() -> None:
    assert decide(*[None] * 3, 12.8, 5.8, 0.0, 0.0) == []


def test_a_suspect_lives_on_quieter_syllables() -> None:
    suspect = [0.0] * 5 + [9.5]
    assert decide(*suspect, *[3.0] * 20) == [(5, Input.SPEECH), (25, Input.QUIET)]
    assert decide(*suspect, *[5.0] * 20, *[3.0] * 5) == [(5, Input.SPEECH)]
    assert decide(*[0.0] * 5, *[5.0] * 20) == []


def test_what_was_a_noise_has_to_be_louder_the_next_time() -> None:
    noise = [0.0] * 5 + [10.0] * 10 + [0.0] * 20
    assert len(decide(*noise)) == 2
    assert len(decide(*noise, *noise)) == 2, "it is still there"
    assert len(decide(*noise, *[0.0] * 500, *noise)) == 4
    assert len(decide(*noise, *[0.0] * 5, *[16.0] * 10)) == 3, "and a caller is heard over it"


@pytest.mark.parametrize(("kind", "rms"), [("white", 100), ("pink", 200), ("white", 400), ("keyboard", 50)])
def test_a_noise_that_begins_stops_the_agent_for_a_moment_at_most(kind: str, rms: float) -> None:
    """Without the floor that follows it, and what is asked for after a noise, he is silent for half of the
    time and more, and is cut off now and then."""
    agent = frames(babble(np.random.default_rng(3), 20, 110) * AGENT_RMS)
    silence = begins(np.random.default_rng(4), agent, kind, rms)
    assert silence.paused < 0.25
    assert silence.commits <= 1


def decided(pcm: list[bytes]) -> set[Input | None]:
    """On what the canceller's detector hears from the first frame on."""
    ear = Ear(VadParams(), BargeInParams(), Scores(*[15.0] * len(pcm)))
    ear.listen_over_agent(True)
    return {ear.process(frame).decided for frame in pcm}


def test_a_quiet_caller_whom_the_detector_hears_interrupts() -> None:
    """He has half the energy that the voice detector alone asks for."""
    voice = babble(np.random.default_rng(1), 3, 140)
    assert Input.COMMIT in decided(frames(100 * voice))
    assert Input.COMMIT not in decided(frames(20 * voice)), "somebody in the next room"


@pytest.mark.parametrize("seed", range(10))
def test_a_cough_does_not(seed: int) -> None:
    rng = np.random.default_rng(seed)
    coughing = np.concatenate([cough(rng), cough(rng), cough(rng)]) * AGENT_RMS / 4
    assert decided(frames(coughing)) & {Input.SPEECH, Input.COMMIT} == {Input.SPEECH}
