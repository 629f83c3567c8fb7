"""Stretches of talk, turns, and the verdict on a call."""

from typing import Any

import numpy as np
import pytest

from demo.measure import Measures, Stretch, Turn, cut, stretches, turns
from demo.talk import SCRIPT
from demo.verdict import judge, share_heard
from tests.e2e.sound import RATE_HZ, Pcm


def talk(*spans: tuple[float, float], seconds: float = 10) -> Pcm:
    """A tone in the given spans, silence elsewhere."""
    pcm = np.zeros(int(seconds * RATE_HZ), np.int16)
    for start, end in spans:
        at = np.arange(int(start * RATE_HZ), int(end * RATE_HZ))
        pcm[at] = (np.sin(at / 4) * 8000).astype(np.int16)
    return pcm


def test_short_pauses_belong_to_a_stretch() -> None:
    np.testing.assert_allclose(stretches(talk((1, 2), (2.5, 3), (4, 5))), ((1, 3), (4, 5)))
    assert stretches(np.zeros(0, np.int16)) == ()


def test_a_turn_is_answered_by_the_next_stretch_of_the_agent() -> None:
    caller = (Stretch(2, 3), Stretch(5, 7), Stretch(9, 10))
    agent = (Stretch(0, 1), Stretch(3.5, 5.25), Stretch(7.5, 8))
    assert turns(caller, agent) == (
        Turn(caller[0], 0.5, None),
        Turn(caller[1], 0.5, 0.25),
        Turn(caller[2], None, None),
    )


def test_an_agent_who_stops_just_before_the_caller_is_loud_has_yielded() -> None:
    assert turns((Stretch(2, 3),), (Stretch(0, 1.9),))[0].yielded_s == 0
    assert turns((Stretch(2, 3),), (Stretch(0, 1.5),))[0].yielded_s is None


def test_a_stretch_is_cut_with_a_little_quiet_around() -> None:
    assert len(cut(talk(), Stretch(1, 2))) == 1.5 * RATE_HZ
    assert len(cut(talk(), Stretch(0, 1))) == 1.3 * RATE_HZ


def test_words_count_in_order_and_figures_are_words() -> None:
    assert share_heard("From nine to six.", "we are open from 9 to 6 and") == 1
    assert share_heard("one two three four", "four three two one") == 0.25
    assert share_heard("You find us at twelve", "") == 0


ROW: dict[str, Any] = {
    "ended_by": "agent",
    "outcome": "hangup",
    "reason": "the agent said goodbye",
    "transcript": [
        {"party": "agent", "text": "Hello", "estimated": False},
        {"party": "agent", "text": "We are open on Monday", "estimated": False},
        {"party": "agent", "text": "A puncture", "estimated": True},
        {"party": "agent", "text": "In Harbour Street", "estimated": False},
    ],
}
HEARD = "hello we are open on monday in harbour street"
TURNS = tuple(Turn(Stretch(0, 1), 1.0, 0.3 if line.interrupts else None) for line in SCRIPT)
GOOD = Measures(answer_s=0.1, first_audio_s=0.2, goodbye_s=0.6, turns=TURNS, agent=())


def complaints(row: dict[str, Any] = ROW, found: Measures = GOOD, heard: str = HEARD) -> list[str]:
    return [finding.complaint for finding in judge(row, found, heard) if finding.complaint]


def test_a_good_call_has_no_complaints() -> None:
    assert complaints() == []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"answer_s": None}, "never happened"),
        ({"first_audio_s": 9.0}, "agent audible after the answer: 9.00 s"),
        ({"goodbye_s": 0.1}, "BYE after the last sound of the farewell: 0.10 s"),
        ({"goodbye_s": 2.0}, "BYE after the last sound of the farewell: 2.00 s"),
        ({"turns": TURNS[:3]}, "the caller said 3 of 4 sentences"),
        ({"turns": (*TURNS[:3], TURNS[3]._replace(answered_s=None))}, "you.» answered after: it never"),
        ({"turns": (*TURNS[:2], TURNS[2]._replace(yielded_s=3.0), TURNS[3])}, "fell silent after: 3.00 s"),
        ({"turns": (*TURNS[:2], TURNS[2]._replace(yielded_s=None), TURNS[3])}, "fell silent after: it never"),
    ],
)
def test_each_measure_out_of_bounds_is_one_complaint(changes: dict[str, Any], complaint: str) -> None:
    (line,) = complaints(found=Measures(**{**vars(GOOD), **changes}))
    assert complaint in line


def test_what_was_not_heard_at_the_phone_is_a_complaint() -> None:
    (line,) = complaints(heard="hello we are open on monday")
    assert "only 0% of the words" in line


def test_a_wrong_answer_is_a_complaint() -> None:
    transcript = [one for one in ROW["transcript"] if "Monday" not in one["text"]]
    (line,) = complaints(ROW | {"transcript": transcript})
    assert "was not answered" in line


def test_another_hang_up_is_a_complaint() -> None:
    (line,) = complaints(ROW | {"ended_by": "caller"})
    assert "the agent did not hang up" in line
