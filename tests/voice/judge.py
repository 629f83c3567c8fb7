"""How a test judges rows: none missed, and none that could not be measured here passes for measured."""

from collections.abc import Sequence

import pytest

from bench.voice.row import Row


def judge(rows: Sequence[Row]) -> None:
    assert rows
    assert [row for row in rows if row.passed is False] == []
    for row in rows:
        if row.unmeasured:
            pytest.skip(f"{row.what}: {row.measured}")
