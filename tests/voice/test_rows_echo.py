"""The laboratory's rows about speakerphones, each in its short run."""

import pytest

from bench.voice.rows_echo import ROWS

pytestmark = [pytest.mark.asterisk, pytest.mark.speech, pytest.mark.timeout(300)]


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    rows = ROWS[name](True)
    assert rows
    assert [row for row in rows if row.passed is False] == []
