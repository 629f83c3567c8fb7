"""The keypad in its own time: which keys belong together, and how each gather ends."""

import pytest

from bot.call.keypad import Gathered, GatherParams, Keypad

PARAMS = GatherParams(max_digits=6, terminator="#", digit_timeout_s=4, timeout_s=20)


def typed(pad: Keypad, keys: str, now: float, every: float = 0.5) -> float:
    for key in keys:
        pad.press(key, now)
        now += every
    return now - every


def test_keys_that_follow_each_other_belong_together() -> None:
    pad = Keypad(pause_s=2)
    last = typed(pad, "12#", 10)
    assert pad.tick(last + 1.9) == ""
    assert pad.tick(last + 2) == "12#"
    assert pad.tick(last + 9) == "", "they are told once"


@pytest.mark.parametrize(
    ("keys", "wait", "expected"),
    [
        ("1234#", 0, Gathered("1234", "terminator")),
        ("#", 0, Gathered("", "terminator")),
        ("123456", 0, Gathered("123456", "max_digits")),
        ("12", 4, Gathered("12", "digit_timeout")),
        ("12", 3.9, None),
        ("", 20, Gathered("", "timeout")),
        ("", 19.9, None),
        ("1*A", 4, Gathered("1*A", "digit_timeout")),
    ],
)
def test_a_gather_ends(keys: str, wait: float, expected: Gathered | None) -> None:
    pad = Keypad(pause_s=2)
    pad.gather(PARAMS, 100)
    last = typed(pad, keys, 100) if keys else 100
    assert pad.tick(last + wait) == ""
    assert pad.gathered == expected
    assert pad.gathering is (expected is None)


def test_a_quick_caller_types_before_he_is_asked() -> None:
    pad = Keypad(pause_s=2)
    last = typed(pad, "12", 100)
    pad.gather(PARAMS, last + 1)
    typed(pad, "3#", last + 2)
    assert pad.gathered == Gathered("123", "terminator")


def test_what_comes_after_the_end_is_for_the_next() -> None:
    pad = Keypad(pause_s=2)
    last = typed(pad, "1#7", 100)
    pad.gather(PARAMS, last)
    assert pad.gathered == Gathered("1", "terminator")
    assert pad.tick(last + 2) == "7"


def test_without_a_terminator_hash_is_a_digit() -> None:
    pad = Keypad(pause_s=2)
    pad.gather(GatherParams(max_digits=3, terminator=""), 0)
    typed(pad, "1#2", 0)
    assert pad.gathered == Gathered("1#2", "max_digits")


def test_nobody_is_slow_while_the_agent_says_what_to_type() -> None:
    pad = Keypad(pause_s=2)
    pad.gather(PARAMS, 0)
    pad.tick(30, agent_audible=True)
    assert pad.gathering
    pad.press("1", 31)
    pad.tick(35, agent_audible=True)
    assert pad.gathered == Gathered("1", "digit_timeout"), "who has begun is not being told any more"


def test_stopped_from_outside_the_digits_so_far_are_the_result() -> None:
    pad = Keypad(pause_s=2)
    pad.stop("leaving")
    assert pad.gathered is None
    pad.gather(PARAMS, 0)
    pad.press("5", 1)
    pad.stop("leaving")
    pad.stop("timeout")
    assert pad.gathered == Gathered("5", "leaving")
