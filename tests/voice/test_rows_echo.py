"""The laboratory's rows about speakerphones, each in its short run."""

import pytest

from bench.voice.rows_echo import ROWS
from tests.voice.judge import judge

pytestmark = [pytest.mark.asterisk, pytest.mark.speech, pytest.mark.timeout(300)]


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    judge(ROWS[name](True))
