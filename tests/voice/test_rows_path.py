"""The laboratory's rows about the path, each in its short run on a real line."""

import pytest

from bench.voice import rows_burst, rows_clock, rows_delay, rows_pesq, rows_words

pytestmark = [pytest.mark.asterisk, pytest.mark.speech, pytest.mark.timeout(240)]

ROWS = {**rows_words.ROWS, **rows_pesq.ROWS, **rows_burst.ROWS, **rows_clock.ROWS, **rows_delay.ROWS}
del ROWS["clock-virtual"]  # needs no line
del ROWS["clock"]  # goes by the time that passes, which a busy machine spoils; clock-virtual is tested


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    rows = ROWS[name](True)
    assert rows
    assert [row for row in rows if row.passed is False] == []
