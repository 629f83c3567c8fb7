"""The laboratory's rows about the path, each in its short run on a real line."""

import pytest

from bench.voice import rows_burst, rows_clock, rows_delay, rows_pesq, rows_words
from tests.voice.judge import judge

pytestmark = [pytest.mark.asterisk, pytest.mark.speech, pytest.mark.timeout(240)]

ROWS = {**rows_words.ROWS, **rows_pesq.ROWS, **rows_burst.ROWS, **rows_clock.ROWS, **rows_delay.ROWS}
del ROWS["clock-virtual"]  # needs no line


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    judge(ROWS[name](True))
