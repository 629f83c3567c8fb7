"""The laboratory's rows about turn taking, each in its short run."""

import pytest

from bench.voice.rows_turns import ROWS
from tests.voice.judge import judge

pytestmark = [pytest.mark.asterisk, pytest.mark.speech, pytest.mark.timeout(300)]


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    judge(ROWS[name](True))
