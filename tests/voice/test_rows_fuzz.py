"""The laboratory's rows about mutated input, each in its short run."""

import pytest

from bench.voice.rows_fuzz import ROWS


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    rows = ROWS[name](True)
    assert len(rows) == 3
    assert [row for row in rows if not row.passed] == []
