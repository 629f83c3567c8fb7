"""One row per call in SQLite, written when the call begins and again when it has ended.

All access is in one thread, so the event loop never waits for a disk. A row that a crash left ``active`` is
called ``lost`` at the next start.
"""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from bot.errors import ResourceError

SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    id TEXT PRIMARY KEY,
    started_at REAL NOT NULL,      -- Unix time
    answered_at REAL,
    ended_at REAL,
    direction TEXT,                -- in, out
    caller_number TEXT, caller_name TEXT, dialled_number TEXT,
    answered_by TEXT,              -- of an outbound call: person, machine, unknown
    agent TEXT,
    outcome TEXT NOT NULL,         -- active, hangup, continue, connected, lost
    ended_by TEXT, reason TEXT,
    first_audio_ms INTEGER,        -- answer to the agent's first audio on the wire
    turn_latencies_ms TEXT,        -- JSON from here on
    transcript TEXT, timeline TEXT, usage TEXT, tools TEXT, quality TEXT,
    recording TEXT
);
CREATE INDEX IF NOT EXISTS calls_started ON calls (started_at);
CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY,
    call_id TEXT NOT NULL,
    began_at REAL NOT NULL,        -- Unix time
    caller_number TEXT, caller_name TEXT, dialled_number TEXT,
    agent TEXT,
    seconds REAL NOT NULL,
    ended TEXT NOT NULL,           -- silence, key, limit, leaving
    transcript TEXT NOT NULL,
    audio TEXT NOT NULL,           -- a WAV file
    webhook TEXT NOT NULL          -- empty, pending, delivered, or failed and why
);
"""

Row = dict[str, Any]
JSON = frozenset({"turn_latencies_ms", "transcript", "timeline", "usage", "tools", "quality"})


def read_row(path: str, call_id: str) -> Row:
    """A call's row, its JSON parsed, for commands beside a running bot. Raises ResourceError."""
    try:
        with closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            row = database.execute("SELECT * FROM calls WHERE id = ?", (call_id,)).fetchone()
    except sqlite3.Error as error:
        raise ResourceError(f"cannot read {path} ({error})", remedy="check records.database") from error
    if row is None:
        raise ResourceError(f"there is no call {call_id} in {path}", remedy="its id is in the log")
    return _parsed(row)


def _parsed(row: sqlite3.Row) -> Row:
    return {name: orjson.loads(row[name] or "null") if name in JSON else row[name] for name in row.keys()}  # noqa: SIM118


def _add_columns(database: sqlite3.Connection) -> None:
    """A file that an earlier version made gets the columns that it lacks."""
    with closing(sqlite3.connect(":memory:")) as wanted:
        wanted.executescript(SCHEMA)
        there = {name for _, name, *_ in database.execute("PRAGMA table_info(calls)")}
        for _, name, kind, *_ in wanted.execute("PRAGMA table_info(calls)"):
            if name not in there:
                database.execute(f"ALTER TABLE calls ADD COLUMN {name} {kind}")


class CallStore:
    """``open`` it before the first call. A row's lists and objects are stored as JSON."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="records")
        self._database: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Raises ResourceError when the file cannot be opened or is no database."""
        try:
            await self._run(self._open)
        except (OSError, sqlite3.Error) as error:
            raise ResourceError(
                f"cannot open the call records in {self._path} ({error})", remedy="check records.database"
            ) from error

    async def write(self, row: Row) -> None:
        """Insert the row, or update the columns it names. Raises sqlite3.Error."""
        await self._run(self._write, "calls", row)

    async def write_message(self, row: Row) -> None:
        """The same for a message."""
        await self._run(self._write, "messages", row)

    async def messages(self, webhook: str) -> list[Row]:
        """The messages whose webhook stands so, oldest first."""
        rows: list[Row] = await self._run(self._messages, webhook)
        return rows

    async def get(self, call_id: str) -> Row | None:
        row: Row | None = await self._run(self._get, call_id)
        return row

    async def close(self) -> None:
        await self._run(self._close)
        self._executor.shutdown()

    # ------------------------------------------------------------------ in the thread

    async def _run(self, function: Any, *args: Any) -> Any:
        # What was asked for is done, and before ``close``, even when who asked is cancelled.
        return await asyncio.shield(
            asyncio.get_running_loop().run_in_executor(self._executor, function, *args)
        )

    def _open(self) -> None:
        Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self._path)
        database.row_factory = sqlite3.Row
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        database.executescript(SCHEMA)
        _add_columns(database)
        database.execute("UPDATE calls SET outcome = 'lost' WHERE outcome = 'active'")
        database.commit()
        self._database = database

    def _write(self, table: str, row: Row) -> None:
        assert self._database is not None
        values = {
            name: orjson.dumps(value).decode() if isinstance(value, dict | list | tuple) else value
            for name, value in row.items()
        }
        columns = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        updates = ", ".join(f"{name} = excluded.{name}" for name in values if name != "id")
        with self._database:
            self._database.execute(
                f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {updates}",
                values,
            )

    def _get(self, call_id: str) -> Row | None:
        assert self._database is not None
        row = self._database.execute("SELECT * FROM calls WHERE id = ?", (call_id,)).fetchone()
        return _parsed(row) if row is not None else None

    def _messages(self, webhook: str) -> list[Row]:
        assert self._database is not None
        found = self._database.execute(
            "SELECT * FROM messages WHERE webhook = ? ORDER BY began_at", (webhook,)
        ).fetchall()
        return [dict(row) for row in found]

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
