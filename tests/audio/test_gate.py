import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.audio.gate import HELD_FRAMES, LINE_FRAMES, Gate

SILENCE = bytes(320)


def frame(n: int) -> bytes:
    return bytes([1 + n % 255]) * 320


def pushed(gate: Gate, numbers: range) -> list[bytes]:
    return [gate.push(frame(n)) for n in numbers]


def test_open_passes_the_frame_itself() -> None:
    sent = frame(3)
    assert Gate().push(sent) is sent


def test_closed_sends_silence_240_ms_behind() -> None:
    gate = Gate()
    gate.close()
    assert pushed(gate, range(20)) == [b""] * 12 + [SILENCE] * 8
    assert gate.behind_ms == 240


def test_opening_sends_the_last_240_ms_at_once_and_then_each_frame() -> None:
    gate = Gate()
    gate.close()
    pushed(gate, range(50))
    assert gate.open() == b"".join(frame(n) for n in range(38, 50))
    assert gate.behind_ms == 0
    assert gate.push(frame(50)) == frame(50)


def test_reopening_within_the_line_loses_and_adds_nothing() -> None:
    gate = Gate()
    gate.close()
    out = b"".join(pushed(gate, range(7))) + gate.open()
    assert out == b"".join(frame(n) for n in range(7))


def test_a_hold_keeps_the_onset_however_long_the_decision_takes() -> None:
    gate = Gate()
    gate.close()
    pushed(gate, range(30))
    gate.hold()
    assert pushed(gate, range(30, 55)) == [b""] * 25
    assert gate.open() == b"".join(frame(n) for n in range(18, 55))


def test_a_hold_that_was_nothing_is_silence_for_the_model() -> None:
    gate = Gate()
    gate.close()
    pushed(gate, range(30))
    gate.hold()
    pushed(gate, range(30, 55))
    assert gate.close() == SILENCE * 25
    assert gate.behind_ms == 240
    assert gate.push(frame(55)) == SILENCE


def test_a_hold_without_a_decision_is_bounded() -> None:
    gate = Gate()
    gate.close()
    gate.hold()
    assert pushed(gate, range(HELD_FRAMES + 5)) == [b""] * HELD_FRAMES + [SILENCE] * 5


def test_transitions_are_counted_once_each() -> None:
    gate = Gate()
    for act in (
        gate.open,
        gate.close,
        gate.close,
        gate.hold,
        gate.close,
        gate.open,
        gate.open,
        gate.hold,
        gate.open,
    ):
        act()
    assert (gate.closings, gate.openings) == (2, 2)


def test_opening_an_open_gate_sends_nothing() -> None:
    assert Gate().open() == b""


@pytest.mark.parametrize("held_until", [100])
@given(st.lists(st.sampled_from(["push"] * 8 + ["open", "close", "hold"]), max_size=300))
def test_the_clock_is_never_lost(held_until: int, actions: list[str]) -> None:
    """Everything pushed comes out exactly once, as itself or as silence, in order and within the bounds."""
    gate, n, out = Gate(), 0, b""
    for action in actions:
        if action == "push":
            out += gate.push(frame(n))
            n += 1
        else:
            out += getattr(gate, action)() or b""
        behind = n * 320 - len(out)
        assert behind == gate.behind_ms * 16
        assert behind <= {"open": 0, "closed": LINE_FRAMES, "held": held_until}[gate.state] * 320
    out += gate.open()
    for k in range(n):
        assert out[k * 320 : (k + 1) * 320] in (frame(k), SILENCE)
