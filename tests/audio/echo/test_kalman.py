"""The filter alone: shifting its path is exact, its doubt tells what it missed, focus finds the echo."""

import numpy as np

from bot.audio.echo.kalman import BLOCK, EchoFilter
from tests.audio.echo.sounds import AGENT_RMS, Signal, babble, echo, power_db, room

SECONDS = 12


def telephone(seed: int) -> tuple[Signal, Signal]:
    rng = np.random.default_rng(seed)
    far = babble(rng, SECONDS, 110) * AGENT_RMS
    return far, echo(far, room(rng, 250, -12)) + 12 * rng.normal(size=len(far))


def blocks(signal: Signal) -> list[np.ndarray[tuple[int], np.dtype[np.float32]]]:
    return list(signal.astype(np.float32).reshape(-1, BLOCK))


def taught(far: Signal, near: Signal) -> EchoFilter:
    echo_filter = EchoFilter(35)
    for sent, captured in zip(blocks(far), blocks(near), strict=True):
        echo_filter.advance(sent)
        echo_filter.cancel(captured)
        echo_filter.seek_focus()
    return echo_filter


def test_focus_finds_the_partition_where_the_echo_begins() -> None:
    assert taught(*telephone(1)).focus == 250 // 20


def test_no_focus_without_an_echo() -> None:
    far, _ = telephone(2)
    voice = babble(np.random.default_rng(3), SECONDS, 210) * AGENT_RMS / 4
    assert taught(far, voice).focus is None


def test_doubt_is_near_what_was_missed() -> None:
    far, near = telephone(4)
    echo_filter, missed, doubt = EchoFilter(35), [], []
    for sent, captured in zip(blocks(far), blocks(near), strict=True):
        echo_filter.advance(sent)
        block = echo_filter.cancel(captured)
        echo_filter.seek_focus()
        missed.append(float((block.residual**2).mean()))
        doubt.append(block.doubt)
    for second in range(2, SECONDS):
        span = slice(50 * second, 50 * second + 50)
        assert -9 < 10 * np.log10(np.mean(doubt[span]) / np.mean(missed[span])) < 12


def test_slip_keeps_the_path_when_the_pairing_moves() -> None:
    far, near = telephone(5)
    echo_filter = taught(far, near)
    echo_filter.slip(-1)
    later, left, heard = blocks(far), [], []
    for index in range(100, 200):
        echo_filter.advance(later[index])
        captured = blocks(near)[index + 1]
        heard.append(captured)
        left.append(echo_filter.cancel(captured).residual)
    # The first 35 blocks still look back at the end of the lesson.
    loss = power_db(np.concatenate(heard[40:])) - power_db(np.concatenate(left[40:]))
    assert loss >= 15


def test_reset_forgets_the_path() -> None:
    echo_filter = taught(*telephone(6))
    echo_filter.reset()
    assert echo_filter.focus is None
    assert not echo_filter.cancel(np.ones(BLOCK, np.float32)).echo.any()
