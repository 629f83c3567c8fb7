"""The delay estimate: right to a millisecond, silent when there is nothing to find."""

import numpy as np
import pytest

from bot.audio.echo import DelayEstimator
from tests.audio.echo.sounds import AGENT_RMS, Signal, babble, echo, frames, room


def estimates(far: Signal, near: Signal) -> list[tuple[float, int | None]]:
    estimator, found = DelayEstimator(1500), []
    for index, (sent, frame) in enumerate(zip(frames(far), frames(near), strict=True)):
        estimator.push(sent, frame)
        if estimator.due:
            found.append((index / 50, estimator.estimate()))
    return found


@pytest.mark.parametrize("delay_ms", [40, 250, 705, 1380])
def test_within_a_millisecond_and_three_seconds(delay_ms: float) -> None:
    rng = np.random.default_rng(1)
    far = babble(rng, 6, 110) * AGENT_RMS
    near = echo(far, room(rng, delay_ms, -12)) + 15 * rng.normal(size=len(far))
    sure = [(at, delay) for at, delay in estimates(far, near) if delay is not None]
    assert sure[0][0] <= 1.5 + 1.5 + delay_ms / 1000
    assert all(abs(delay - delay_ms * 8) <= 8 for _, delay in sure)


def test_none_without_an_echo() -> None:
    rng = np.random.default_rng(2)
    far, voice = babble(rng, 20, 110) * AGENT_RMS, babble(rng, 20, 210) * AGENT_RMS / 4
    found = estimates(far, voice)
    assert {delay for _, delay in found} == {None}
    times = [at for at, _ in found]
    assert times[1] - times[0] == pytest.approx(0.5)
    assert times[-1] - times[-2] == pytest.approx(2.0), "what was looked for in vain is looked for less"


def test_none_while_nothing_is_sent() -> None:
    voice = babble(np.random.default_rng(3), 4, 210) * AGENT_RMS
    assert {delay for _, delay in estimates(np.zeros(len(voice)), voice)} == {None}


def test_due_every_half_second() -> None:
    estimator = DelayEstimator(1500)
    due = []
    for _ in range(100):
        estimator.push(None, bytes(320))
        due.append(estimator.due)
        if estimator.due:
            estimator.estimate()
    assert [index + 1 for index, now in enumerate(due) if now] == [25, 50, 75, 100]
