"""The laboratory's rows that need no line, each in its short run."""

import pytest

from bench.voice import rows_clock, rows_filter, rows_fuzz
from tests.voice.judge import judge

ROWS = {
    **rows_filter.ROWS,
    **rows_fuzz.ROWS,
    "clock-virtual": rows_clock.ROWS["clock-virtual"],
}


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    judge(ROWS[name](True))
