"""The store on a real SQLite file."""

import sqlite3
from pathlib import Path

import pytest

from bot.errors import ResourceError
from bot.records.store import CallStore


async def test_a_row_is_written_twice_and_kept_once(tmp_path: Path) -> None:
    store = CallStore(str(tmp_path / "deep" / "calls.sqlite"))
    await store.open()
    await store.write({"id": "a", "started_at": 1.0, "outcome": "active"})
    transcript = [{"party": "caller", "text": "hi"}]
    await store.write({"id": "a", "started_at": 1.0, "outcome": "hangup", "transcript": transcript})
    row = await store.get("a")
    await store.close()
    assert row is not None
    assert (row["outcome"], row["transcript"]) == ("hangup", transcript)


async def test_what_a_crash_left_is_called_lost(tmp_path: Path) -> None:
    path = str(tmp_path / "calls.sqlite")
    store = CallStore(path)
    await store.open()
    await store.write({"id": "a", "started_at": 1.0, "outcome": "active"})
    await store.close()
    again = CallStore(path)
    await again.open()
    row = await again.get("a")
    missing = await again.get("b")
    await again.close()
    assert row is not None
    assert row["outcome"] == "lost"
    assert missing is None


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    path.write_text("this is a text file and surely not a database, however long one looks at it")
    store = CallStore(str(path))
    with pytest.raises(ResourceError, match=r"records\.database"):
        await store.open()
    await store.close()


async def test_an_unknown_column_is_an_error_not_a_silent_loss(tmp_path: Path) -> None:
    store = CallStore(str(tmp_path / "calls.sqlite"))
    await store.open()
    with pytest.raises(sqlite3.Error):
        await store.write({"id": "a", "started_at": 1.0, "outcome": "active", "colour": "green"})
    await store.close()
