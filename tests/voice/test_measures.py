"""What the laboratory measures with must be right before what it measures can be."""

from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest

from bench.voice import table
from bench.voice.row import Row
from bench.voice.rows_clock import Turn, apart
from bench.voice.rows_turns import given_ms
from bench.voice.stage import Said
from bench.voice.talk import FIRST_MARK, MARK_HZ
from bench.voice.words import Heard, interval, plain, row, wrong
from bot.audio.g711 import ULAW
from tests.e2e.proxy import Impairment, Spoiler

SAID = tuple(f"sentence {n % 40}" for n in range(120))


def test_what_is_written_the_same_way_is_the_same_word() -> None:
    assert plain("It's late,  isn't it? O.K.") == "its late isnt it o k"


def test_only_the_added_errors_count() -> None:
    source = Heard((1, 0, 2, 0) * 30, (10,) * 120, SAID)
    assert interval(source, source) == (0.0, 0.0)
    worse = Heard(tuple(n + 1 for n in source.errors), source.words, SAID)
    assert interval(worse, source) == pytest.approx((10.0, 10.0))
    assert row("x", worse, source, 5.0, quick=False).passed is False
    assert row("x", source, source, 2.0, quick=False).passed is True


def test_a_few_sentences_prove_little() -> None:
    source = Heard((0,) * 10, (10,) * 10, SAID[:10])
    path = Heard((3, *(0,) * 9), (10,) * 10, SAID[:10])
    low, high = interval(path, source)
    assert low == 0.0
    assert high > 5.0


def test_ears_that_repeat_themselves_have_not_understood_one_sentence() -> None:
    assert wrong("a b c", "a b c a b c a b c a b c") == 3


def test_voices_that_say_the_same_sentence_are_drawn_together() -> None:
    source = Heard((0,) * 120, (10,) * 120, SAID)
    path = Heard(tuple(2 * (n % 40 < 4) for n in range(120)), (10,) * 120, SAID)
    apart = Heard(path.errors, path.words, tuple(map(str, range(120))))
    (low, high), (alone_low, alone_high) = (
        interval(path, source),
        interval(apart, apart._replace(errors=source.errors)),
    )
    assert high - low > 1.5 * (alone_high - alone_low)


@pytest.mark.parametrize("stall_ms", [0, 700])
@pytest.mark.parametrize("added", [0, 400])
def test_silence_too_much_is_a_shift(added: int, stall_ms: int) -> None:
    caller = np.random.default_rng(1).normal(0, 3000, 8000 * 20).astype(np.int16)
    half = len(caller) // 2
    model = np.concatenate(
        [np.zeros(1000, np.int16), caller[:half], np.zeros(added, np.int16), caller[half:]]
    )
    behind = {second: [100.0, 190.0] for second in range(20)} | {10: [340.0], 11: [350.0]}
    late_ms = np.zeros(1000)
    late_ms[800:840] = stall_ms  # the phone catches up
    found = apart(behind, [Turn(8.5, 13.5)], caller, model, late_ms)
    assert found.sought == len(found.shifts)
    assert max(found.shifts) == pytest.approx(added / 8)
    assert found.closed == [340.0]
    assert set(found.open) == {100.0}


def test_a_fade_counts_by_its_length_for_the_response_before_it() -> None:
    t = np.arange(160) / 8000
    voices = [
        ULAW.encode((3000 * np.sin(2 * np.pi * MARK_HZ * (FIRST_MARK + mark) * t)).astype("<i2").tobytes())
        for mark in range(2)
    ]
    fade = voices[1][:40] + ULAW.silence * 120
    frames = [Said(0.0, payload) for payload in (voices[0], voices[0], fade, voices[1], fade)]
    assert (given_ms(frames, 0), given_ms(frames, 1)) == (45, 25)


def test_a_row_with_a_bound_that_was_not_measured_is_not_told() -> None:
    row = Row("PESQ", "not measured: no package", "≥ 4.2", None)
    assert row.unmeasured and table.mark(row) == table.UNMEASURED
    assert not Row("delay", "20 ms", "", None).unmeasured


def test_the_table_keeps_what_was_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("Before.\n<!-- measured: begin -->\n<!-- measured: end -->\nAfter.\n")
    monkeypatch.setattr(table, "PAGE", page)
    order = ("first", "second")
    table.write({"second": [Row("b", "1 ms", "≤ 2 ms", True)]}, order)
    table.write({"first": [Row("a", "9 ms", "≤ 2 ms", False)]}, order)
    table.write({"second": [Row("b", "3 ms", "", None)]}, order)
    lines = page.read_text().splitlines()
    assert lines[0] == "Before." and lines[-1] == "After."
    kept = [line.split(" | ")[:5] for line in lines if line.startswith(("| first", "| second"))]
    assert kept == [
        ["| first", "a", "9 ms", "≤ 2 ms", "**missed**"],
        ["| second", "b", "3 ms", "", "told"],
    ]


def test_a_displaced_packet_comes_after_the_one_or_two_behind_it() -> None:
    rule, spoiler = Impairment(displaced=0.01, jitter_ms=40), Spoiler(Random(1))
    fates = [fate for n in range(2000) for fate in spoiler.fate(rule, n.to_bytes(2, "big"), n * 0.02)]
    order = [int.from_bytes(data, "big") for _, data in sorted(fates)]
    assert len(order) > 1990  # one at the very end may still be held back
    behind = {sum(other > n for other in order[:place]) for place, n in enumerate(order)}
    assert behind == {0, 1, 2}
    assert 5 < sum(a > b for a, b in pairwise(order)) < 40
