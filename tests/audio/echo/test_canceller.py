"""The whole canceller on a made-up telephone: echo gone, caller whole, barge-in heard, asleep when idle."""

import time
import tracemalloc

import numpy as np
import pytest

from bot.audio.echo import EchoCanceller, EchoParams, Residual
from bot.audio.echo.canceller import FRAME_BYTES, SLEEP_FRAMES
from tests.audio.echo.sounds import AGENT_RMS, Signal, babble, echo, frames, power_db, room, samples

HISS = 12.0
SILENCE = bytes(FRAME_BYTES)


class Telephone:
    """Agent speech, its echo and some hiss, ``seconds`` long; the same for the same seed."""

    def __init__(self, seed: int, seconds: float, *, delay_ms: float = 250, echo_db: float = -12) -> None:
        self.rng = np.random.default_rng(seed)
        self.agent = babble(self.rng, seconds, 110) * AGENT_RMS
        self.far = frames(self.agent)
        self.taps = room(self.rng, delay_ms, echo_db)
        self.echo = echo(self.agent, self.taps) + HISS * self.rng.normal(size=len(self.agent))

    def caller(self, start_s: float, seconds: float, level_db: float) -> Signal:
        voice = np.zeros(len(self.agent))
        speech = babble(self.rng, seconds, 210) * AGENT_RMS * 10 ** (level_db / 20)
        voice[int(start_s * 8000) : int(start_s * 8000) + len(speech)] = speech
        return voice


def run(canceller: EchoCanceller, far: list[bytes], near: Signal) -> list[Residual]:
    heard = []
    for sent, frame in zip(far, frames(near), strict=True):
        canceller.sent(sent)
        heard.append(canceller.process(frame))
    return heard


def sound(heard: list[Residual]) -> Signal:
    return samples([residual.frame for residual in heard])


@pytest.mark.parametrize(("delay_ms", "echo_db"), [(250, -12), (400, -6), (30, -20)])
def test_steady_echo_falls_by_20_db(delay_ms: float, echo_db: float) -> None:
    phone = Telephone(1, 14, delay_ms=delay_ms, echo_db=echo_db)
    left = sound(run(EchoCanceller(EchoParams()), phone.far, phone.echo))
    late = slice(10 * 8000, None)
    assert power_db(phone.echo[late]) - power_db(left[late]) >= 20


def test_learns_within_seconds() -> None:
    phone = Telephone(2, 6)
    left = sound(run(EchoCanceller(EchoParams()), phone.far, phone.echo))
    fourth = slice(3 * 8000, 4 * 8000)
    assert power_db(phone.echo[fourth]) - power_db(left[fourth]) >= 6


def test_double_talk_leaves_the_caller_whole() -> None:
    phone = Telephone(3, 16, delay_ms=400, echo_db=-6)
    voice = phone.caller(10, 4, -10)
    left = sound(run(EchoCanceller(EchoParams()), phone.far, phone.echo + voice))
    spoken = slice(10 * 8000, 14 * 8000)
    assert power_db(left[spoken] - voice[spoken]) < power_db(voice[spoken]) - 8
    assert abs(power_db(left[spoken]) - power_db(voice[spoken])) < 1.5


def test_without_echo_the_caller_passes_untouched() -> None:
    phone = Telephone(4, 8, echo_db=-90)
    voice = phone.caller(0.5, 7, -10)
    left = sound(run(EchoCanceller(EchoParams()), phone.far, voice))
    spoken = slice(2 * 8000, None)
    assert power_db(left[spoken] - voice[spoken]) < power_db(voice[spoken]) - 10


def test_on_a_line_without_echo_it_rests_and_wakes_when_one_begins() -> None:
    phone = Telephone(5, 44, echo_db=-90)
    half = len(phone.agent) // 2
    voice = phone.caller(17, 4, -10)
    near = phone.echo + voice
    near[half:] += echo(phone.agent, phone.taps * 10 ** (78 / 20))[half:]
    left = sound(run(EchoCanceller(EchoParams()), phone.far, near))
    spoken, late = slice(17 * 8000, 21 * 8000), slice(40 * 8000, None)
    untouched = (left[spoken] == samples(frames(near))[spoken]).reshape(-1, 160).all(axis=1)
    assert untouched.mean() > 0.7
    assert power_db(near[late]) - power_db(left[late]) >= 15


@pytest.mark.parametrize("seed", range(4))
def test_echo_alone_is_never_speech(seed: int) -> None:
    phone = Telephone(10 + seed, 30, delay_ms=100 + 90 * seed, echo_db=-6 - 3 * seed)
    heard = run(EchoCanceller(EchoParams()), phone.far, phone.echo)
    assert not [index for index, residual in enumerate(heard) if residual.speech]


@pytest.mark.parametrize("start_s", [2.5, 12])
@pytest.mark.parametrize("level_db", [-6, -14])
def test_barge_in_is_heard_within_300_ms(start_s: float, level_db: float) -> None:
    phone = Telephone(20, 16)
    voice = phone.caller(start_s, 1.5, level_db)
    heard = run(EchoCanceller(EchoParams()), phone.far, phone.echo + voice)
    speech = [index * 20 - start_s * 1000 for index, residual in enumerate(heard) if residual.speech]
    assert speech and 0 <= speech[0] <= 300


def test_asleep_passes_frames_as_they_are_at_no_cost() -> None:
    phone = Telephone(30, 2)
    canceller = EchoCanceller(EchoParams())
    assert canceller.asleep
    run(canceller, phone.far, phone.echo)
    assert not canceller.asleep
    for _ in range(SLEEP_FRAMES):
        canceller.sent(None)
        canceller.process(SILENCE)
    assert canceller.asleep
    near = frames(phone.caller(0, 1, -6))[5]
    start = time.process_time()
    for _ in range(500):
        canceller.sent(SILENCE)
        assert canceller.process(near)[:2] == (near, False)
    asleep = time.process_time() - start
    start = time.process_time()
    for _ in range(500):
        canceller.sent(phone.far[10])
        canceller.process(near)
    assert asleep < (time.process_time() - start) / 3


def test_wakes_with_what_it_knew() -> None:
    phone = Telephone(31, 12)
    canceller = EchoCanceller(EchoParams())
    run(canceller, phone.far, phone.echo)
    for _ in range(2 * SLEEP_FRAMES):
        canceller.sent(None)
        canceller.process(SILENCE)
    again = sound(run(canceller, phone.far, phone.echo))
    first = slice(8000, 3 * 8000)
    assert power_db(phone.echo[first]) - power_db(again[first]) >= 15


def test_a_new_room_starts_the_filter_anew_and_is_not_speech_for_long() -> None:
    phone = Telephone(40, 24)
    half = len(phone.agent) // 2
    other = echo(phone.agent, room(phone.rng, 290, -10))
    near = np.concatenate([phone.echo[:half], other[half:]])
    canceller = EchoCanceller(EchoParams())
    heard = run(canceller, phone.far, near)
    assert canceller.resets >= 1
    assert sum(residual.speech for residual in heard) <= 10
    late = slice(20 * 8000, None)
    assert power_db(near[late]) - power_db(sound(heard)[late]) >= 15


def test_a_long_delay_is_brought_into_the_filter() -> None:
    phone = Telephone(50, 14, delay_ms=1100)
    canceller = EchoCanceller(EchoParams())
    heard = []
    for far, near in zip(phone.far, frames(phone.echo), strict=True):
        canceller.sent(far)
        heard.append(canceller.process(near))
        if canceller.delays.due and (delay := canceller.delays.estimate()) is not None:
            canceller.set_delay(delay)
    late = slice(11 * 8000, None)
    assert canceller.resets == 1
    assert power_db(phone.echo[late]) - power_db(sound(heard)[late]) >= 17


def jittered(
    canceller: EchoCanceller, far: list[bytes], near: list[bytes], rng: np.random.Generator
) -> Signal:
    """Near frames come in bursts: none for up to 4 ticks, then all that wait."""
    left, waiting, hold = [], list[bytes](), 0
    for sent, frame in zip(far, near, strict=True):
        canceller.sent(sent)
        waiting.append(frame)
        hold = hold - 1 if hold else int(rng.choice([0, 0, 0, 4]))
        if not hold:
            left += [canceller.process(one).frame for one in waiting]
            waiting.clear()
    return samples(left + [SILENCE] * len(waiting))


def test_jitter_does_not_hurt() -> None:
    phone = Telephone(60, 14)
    canceller = EchoCanceller(EchoParams())
    left = jittered(canceller, phone.far, frames(phone.echo), phone.rng)
    late = slice(10 * 8000, 13 * 8000)
    assert canceller.slips == 0
    steady = sound(run(EchoCanceller(EchoParams()), phone.far, phone.echo))
    assert np.array_equal(left[late], steady[late])


def test_a_frame_too_early_moves_the_path_instead_of_losing_it() -> None:
    phone = Telephone(61, 16)
    near = iter(frames(phone.echo))
    canceller = EchoCanceller(EchoParams())
    left = []
    for index, far in enumerate(phone.far[:-1]):
        canceller.sent(far)
        for _ in range(2 if index == 600 else 1):
            left.append(canceller.process(next(near)).frame)
    after = slice(601 * 160, 650 * 160)
    assert canceller.slips == 1 and canceller.resets == 0
    assert power_db(phone.echo[after]) - power_db(samples(left)[after]) >= 15


def test_a_hole_in_the_caller_s_stream_is_caught_up() -> None:
    phone = Telephone(62, 16)
    near = frames(phone.echo)
    canceller = EchoCanceller(EchoParams())
    left = []
    for index, far in enumerate(phone.far):
        canceller.sent(far)
        left.append(canceller.process(near[index]).frame if not 500 <= index < 560 else SILENCE)
    late = slice(13 * 8000, None)
    assert power_db(phone.echo[late]) - power_db(samples(left)[late]) >= 15


@pytest.mark.parametrize("kind", ["random", "clipping", "silence", "square", "agent only"])
def test_any_bytes_keep_it_finite_and_of_fixed_size(kind: str) -> None:
    rng = np.random.default_rng(70)
    canceller = EchoCanceller(EchoParams())
    loud = (np.sign(rng.normal(size=160)) * 32767).astype("<i2").tobytes()
    for index in range(600):
        noise = rng.bytes(FRAME_BYTES)
        near = {"random": noise, "clipping": loud, "silence": SILENCE, "agent only": SILENCE}.get(
            kind, b"\xff\x7f" * 80 + b"\x00\x80" * 80
        )
        canceller.sent(noise if kind != "silence" else None)
        residual = canceller.process(near)
        assert len(residual.frame) == FRAME_BYTES
        assert -8 <= residual.score <= 20
        if index % 50 == 0 and canceller.delays.due and (delay := canceller.delays.estimate()) is not None:
            canceller.set_delay(delay)
    phone = Telephone(71, 16)
    left = sound(run(canceller, phone.far, phone.echo))
    late = slice(13 * 8000, None)
    assert power_db(phone.echo[late]) - power_db(left[late]) >= 10


def test_memory_is_bounded_and_small() -> None:
    phone = Telephone(80, 8)
    near = frames(phone.echo)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        canceller = EchoCanceller(EchoParams())
        sizes = []
        for _ in range(3):
            for far, frame in zip(phone.far, near, strict=True):
                canceller.sent(far)
                canceller.process(frame)
            for _ in range(400):
                canceller.sent(phone.far[0])
            sizes.append(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()
    assert sizes[0] < 560_000
    assert sizes[2] < sizes[0] * 1.02


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="320 bytes"):
        EchoCanceller(EchoParams()).process(bytes(160))


def test_lost_frames_are_caught_up_and_the_path_follows() -> None:
    phone = Telephone(63, 26)
    near = frames(phone.echo)
    canceller = EchoCanceller(EchoParams())
    left = []
    for index, far in enumerate(phone.far):
        canceller.sent(far)
        left.append(SILENCE if 500 <= index < 504 else canceller.process(near[index]).frame)
    late = slice(24 * 8000, None)
    assert canceller.slips in (2, 3)
    assert power_db(phone.echo[late]) - power_db(samples(left)[late]) >= 15
