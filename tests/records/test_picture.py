"""Spans of a call, and the picture made of them."""

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bot.records.spans import Mark, Span, call_spans

pytest.importorskip("matplotlib")

from matplotlib.colors import to_rgb
from matplotlib.image import imread

from bot.records.picture import SUSPECT, TOOL, draw

TIMELINE = [
    [0.01, "answered", ""],
    [0.05, "media", ""],
    [0.1, "close_gate", ""],
    [0.2, "agent_audible", ""],
    [1.0, "caller_started", ""],
    [1.1, "pause", ""],
    [1.1, "agent_silent", ""],
    [1.3, "resume", ""],
    [1.3, "agent_audible", ""],
    [1.6, "caller_stopped", ""],
    [2.0, "agent_silent", ""],
    [2.0, "open_gate", ""],
    [3.0, "hold", ""],
    [3.5, "unhold", ""],
    [3.9, "dtmf", ""],
    [4.0, "caller_started", ""],
    [5.0, "caller_stopped", ""],
    [5.4, "close_gate", ""],
    [5.5, "agent_audible", ""],
    [6.0, "pause", ""],
    [6.0, "agent_silent", ""],
    [6.4, "cut", ""],
    [6.4, "open_gate", ""],
    [7.0, "tool", "hangup_call"],
    [7.0, "leaving", "the agent said goodbye"],
    [7.0, "lock", ""],
    [7.5, "agent_audible", ""],
    [8.5, "agent_silent", ""],
    [8.9, "depart", ""],
]
TRANSCRIPT = [
    {"party": "agent", "text": "Hello!", "at_s": 0.06, "estimated": False},
    {"party": "caller", "text": "How much is $5 in $6?", "at_s": 5.3, "estimated": False},
    {"party": "agent", "text": "That", "at_s": 5.4, "estimated": True},
    {"party": "agent", "text": "Goodbye.", "at_s": 7.1, "estimated": False},
]


def a_row(**changes: Any) -> dict[str, Any]:
    return {
        "id": "20260102-030405-abcdef01",
        "started_at": 1000.0,
        "ended_at": 1009.0,
        "caller_number": "200",
        "caller_name": "",
        "dialled_number": "100",
        "ended_by": "agent",
        "reason": "the agent said goodbye",
        "timeline": TIMELINE,
        "transcript": TRANSCRIPT,
        "turn_latencies_ms": [700],
    } | changes


def a_recording(path: Path, seconds: float = 8.9) -> Path:
    time = np.arange(int(seconds * 8000)) / 8000
    tone = (np.sin(time * 1600) * 9000 * np.sin(time * 2) ** 2).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.stack([tone, tone // 2], axis=1).tobytes())
    return path


def shows(picture: Path, colour: str) -> bool:
    pixels = imread(picture)[..., :3]
    return bool((np.abs(pixels - np.array(to_rgb(colour))).max(axis=2) < 0.01).any())


def test_the_gate_is_closed_until_it_opens_and_from_the_lock_to_the_end() -> None:
    assert call_spans(a_row()).gate_closed == (Span(0.1, 2.0), Span(5.4, 6.4), Span(7.0, 9.0))


def test_a_suspicion_ends_as_a_barge_in_or_resumed() -> None:
    assert call_spans(a_row()).suspects == (Span(1.1, 1.3, "resumed"), Span(6.0, 6.4, "barge-in"))


def test_a_latency_ends_when_the_agent_is_heard_after_the_caller_stopped() -> None:
    (latency,) = call_spans(a_row()).latencies
    assert (round(latency.start, 3), latency.end, latency.text) == (4.8, 5.5, "0.70 s")


def test_words_begin_where_their_speaker_does() -> None:
    spans = call_spans(a_row())
    assert spans.caller_words == (Mark(4.0, "How much is $5 in $6?"),)
    assert spans.agent_words == (Mark(0.2, "Hello!"), Mark(5.5, "That …"), Mark(7.5, "Goodbye."))


def test_hold_tools_digits_and_the_hang_up_are_kept() -> None:
    spans = call_spans(a_row())
    assert spans.hold == (Span(3.0, 3.5),)
    assert [mark.text for mark in spans.marks] == [
        "answered",
        "hold",
        "digit",
        "hangup_call()",
        "leaving: the agent said goodbye",
        "hang-up",
    ]


def test_what_is_still_open_ends_with_the_call() -> None:
    spans = call_spans(a_row(timeline=[[1.0, "agent_audible", ""], [2.0, "pause", ""]], transcript=[]))
    assert spans.agent == (Span(1.0, 9.0),)
    assert spans.suspects == (Span(2.0, 9.0, "suspect"),)


def test_the_picture_shows_interruption_and_tool(tmp_path: Path) -> None:
    recording, with_all, without = a_recording(tmp_path / "a.wav"), tmp_path / "a.png", tmp_path / "b.png"
    draw(recording, a_row(), with_all)
    plain = [one for one in TIMELINE if one[1] not in ("tool", "pause")]
    draw(recording, a_row(timeline=plain), without)
    assert imread(with_all).shape[:2] == (900, 1600)
    assert shows(with_all, TOOL) and not shows(without, TOOL)
    assert shows(with_all, SUSPECT) and not shows(without, SUSPECT)


def test_a_call_without_a_word_and_a_long_one_are_drawn(tmp_path: Path) -> None:
    empty = a_row(timeline=[], transcript=[], turn_latencies_ms=[])
    draw(a_recording(tmp_path / "a.wav", 0), empty, tmp_path / "a.png")
    talk = [
        {"party": party, "text": "many words " * 9, "at_s": second, "estimated": False}
        for second in range(0, 200, 5)
        for party in ("caller", "agent")
    ]
    long = a_row(transcript=talk, ended_at=1200.0)
    draw(a_recording(tmp_path / "b.wav", 200), long, tmp_path / "b.png")
    assert imread(tmp_path / "a.png").shape[1] == 1600
    assert imread(tmp_path / "b.png").shape[1] > 4990
