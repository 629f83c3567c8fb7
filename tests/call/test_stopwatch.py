"""Turns and interruptions, timed; moments are seconds."""

import pytest

from bot.call.stopwatch import TURN_PARTS, Stopwatch


def answered(watch: Stopwatch, response: str = "r2") -> float | None:
    """Last voice at 10.0, stopped at 10.52, first audio at 10.9, queued at 10.901, on the wire at 10.91."""
    watch.caller_stopped(10.52, 10.0, "r1")
    watch.audio(10.9, 10.901, response)
    watch.audio(11.1, 11.101, response)
    return watch.audible(10.91)


def test_the_parts_of_a_turn_add_up() -> None:
    watch = Stopwatch()
    watch.agent(500)
    assert answered(watch) == pytest.approx(910)
    (turn,) = watch.turns
    assert turn.end_of_speech == pytest.approx(520)
    assert turn.model == pytest.approx(380)
    assert turn.decode == pytest.approx(1)
    assert turn.pacing == pytest.approx(9)
    assert turn.own == pytest.approx(20 + 1 + 9)
    assert set(turn.as_dict()) == {f"{part}_ms" for part in TURN_PARTS}


def test_where_the_server_decides_by_other_means_the_end_of_speech_is_not_ours() -> None:
    watch = Stopwatch()
    answered(watch)
    assert watch.turns[0].own == pytest.approx(10)


def test_more_of_the_response_before_is_no_answer() -> None:
    watch = Stopwatch()
    assert answered(watch, "r1") is None
    watch.audio(11.5, 11.5, "r2")
    assert watch.audible(11.51) == pytest.approx(1510)


def test_an_agent_that_goes_on_after_a_pause_answers_nobody() -> None:
    watch = Stopwatch()
    answered(watch)
    assert watch.audible(12.0) is None
    assert len(watch.turns) == 1


def test_an_interruption_is_timed_to_the_last_packet() -> None:
    watch = Stopwatch()
    watch.suspect(20.12, 20.0)
    watch.silent(20.13)
    assert watch.stops == []
    watch.cut(20.5, 20.0)
    (stop,) = watch.stops
    assert stop.as_dict() == {"onset_to_stop_ms": 130, "suspect_to_stop_ms": 10}


def test_an_interruption_without_a_pause_counts_from_the_decision() -> None:
    watch = Stopwatch()
    watch.cut(20.0, 20.0)
    watch.silent(20.02)
    assert watch.stops[0].suspect == pytest.approx(20)


def test_a_pause_that_was_nothing_is_a_suspect_and_no_stop() -> None:
    watch = Stopwatch()
    watch.suspect(20.1, 20.0)
    watch.silent(20.11)
    watch.resumed()
    watch.audible(20.5)
    watch.silent(22.0)
    assert (watch.suspects, watch.stops) == (1, [])


def test_a_response_that_was_cut_unheard_stops_nothing() -> None:
    """Nothing was audible, so the silence that comes later belongs to another turn."""
    watch = Stopwatch()
    watch.cut(20.0, 20.0)
    watch.audible(21.0)
    watch.silent(23.0)
    assert watch.stops == []
