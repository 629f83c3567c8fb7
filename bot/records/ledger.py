"""Writes each call down, in the store and in the metrics, as the controller tells of it."""

import sqlite3

from bot.call.call import Call
from bot.log import get_logger
from bot.records.row import row_of
from bot.records.store import CallStore, Row
from bot.web.metrics import Metrics

log = get_logger("records")


class Ledger:
    """The controller's ``Observer``. A record that cannot be written is logged whole, and no call suffers."""

    def __init__(self, store: CallStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics

    def refused(self, why: str) -> None:
        self._metrics.refused.labels(why).inc()

    async def began(self, call: Call) -> None:
        await self._write(row_of(call))

    async def ended(self, call: Call) -> None:
        row = row_of(call)
        self._count(call, row)
        log.info(
            "call_ended",
            outcome=row["outcome"],
            by=row["ended_by"],
            reason=row["reason"],
            seconds=round(call.ended_at - call.started_at, 1),
            first_audio_ms=row["first_audio_ms"],
            turn_latencies_ms=row["turn_latencies_ms"],
            quality=row["quality"],
        )
        await self._write(row)

    async def _write(self, row: Row) -> None:
        try:
            await self._store.write(row)
        except (OSError, sqlite3.Error) as error:
            log.error("record_not_written", error=str(error), row=row)

    def _count(self, call: Call, row: Row) -> None:
        metrics, journal = self._metrics, call.journal
        metrics.calls.labels(row["outcome"], row["ended_by"]).inc()
        metrics.call_seconds.observe(call.ended_at - call.started_at)
        if journal.first_audio_ms is not None:
            metrics.first_audio.observe(journal.first_audio_ms / 1000)
        for ms in journal.turn_latencies_ms:
            metrics.turn_latency.observe(ms / 1000)
        metrics.interruptions.inc(journal.interruptions)
        for tool in journal.tools:
            metrics.tools.labels(tool["name"], "failed" if tool["error"] else "ok").inc()
        for kind, count in journal.usage.items():
            metrics.tokens.labels(kind).inc(count)
        for what, count in row["quality"].items():
            if isinstance(count, int):
                metrics.voice.labels(what).inc(count)
