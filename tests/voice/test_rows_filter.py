"""The laboratory's rows about the filter, each in its short run."""

import pytest

from bench.voice.rows_filter import ROWS


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    rows = ROWS[name](True)
    assert rows
    assert [row for row in rows if row.passed is False] == []
