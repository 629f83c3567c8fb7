"""Suspect, commit, forget: on streams of voiced (#), unvoiced (~) and silent (.) frames."""

import pytest

from bot.call.barge_in import BargeIn, BargeInParams
from bot.call.turns import Input

PARAMS = BargeInParams(suspect_ms=60, commit_ms=500)


def decide(frames: str) -> list[tuple[int, Input]]:
    """Decisions with the millisecond at whose end they fell."""
    barge_in = BargeIn(PARAMS)
    decisions = [
        (20 * (n + 1), barge_in.frame(frame in "#~", frame == "#")) for n, frame in enumerate(frames)
    ]
    return [(ms, decision) for ms, decision in decisions if decision is not None]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ("." * 100, []),
        ("#" * 2 + "." * 50, []),
        ("#" * 26, [(60, Input.SPEECH), (500, Input.COMMIT)]),
        ("." * 10 + "#" * 25, [(260, Input.SPEECH), (700, Input.COMMIT)]),
        ("#" * 19 + "." * 20, [(60, Input.SPEECH), (780, Input.QUIET)]),
        ("##.##.##.##.##.##.##.##.##.##.", [(80, Input.SPEECH), (520, Input.COMMIT)]),
        ("#" * 12 + "." * 19 + "#" * 6, [(60, Input.SPEECH), (740, Input.COMMIT)]),
        ("#..#..#..#..#..#..#..#..#..#..#..#", []),
        ("~" * 15 + "." * 20, [(60, Input.SPEECH), (700, Input.QUIET)]),
        ("~" * 52 + "." * 20, [(60, Input.SPEECH), (1000, Input.QUIET)]),
        ("#~" * 18, [(60, Input.SPEECH), (700, Input.COMMIT)]),
    ],
    ids=[
        "silence",
        "click",
        "speech",
        "later",
        "mm-hm",
        "syllables",
        "Wait, …",
        "sparse noise",
        "cough",
        "long noise",
        "fricatives",
    ],
)
def test_decisions(frames: str, expected: list[tuple[int, Input]]) -> None:
    assert decide(frames) == expected


def test_a_second_try_starts_afresh() -> None:
    assert decide("#" * 12 + "." * 20 + "#" * 25)[2:] == [(700, Input.SPEECH), (1140, Input.COMMIT)]


def test_an_ear_that_was_not_sure_before_is_believed_at_once() -> None:
    barge_in = BargeIn(PARAMS)
    assert barge_in.frame(True, True, since_ms=40) is Input.SPEECH
    later = [barge_in.frame(True, True, since_ms=40) for _ in range(22)]
    assert later.index(Input.COMMIT) == 21, "the time before counts, but only its own frames are voice"


def test_what_the_server_suspected_is_forgotten_without_voice() -> None:
    barge_in = BargeIn(PARAMS)
    barge_in.suspect()
    assert [barge_in.frame(False, False) for _ in range(20)][-1] is Input.QUIET


def test_what_the_server_suspected_is_committed_with_voice() -> None:
    barge_in = BargeIn(PARAMS)
    barge_in.suspect()
    assert [barge_in.frame(True, True) for _ in range(24)][-1] is Input.COMMIT
