"""Writes each call down, in the store and in the metrics, as the controller tells of it."""

import sqlite3
from typing import Any

from bot.audio.gate import FLUTTER
from bot.call.call import Call
from bot.call.stopwatch import TURN_PARTS
from bot.log import get_logger
from bot.records.row import row_of
from bot.records.store import CallStore, Row
from bot.web.metrics import Metrics

log = get_logger("records")

#: Tokens that are counted by kind. A server may name others: they are ``other``, or each were a series.
TOKEN_KINDS = frozenset(
    {
        "total_tokens",
        "input_tokens",
        "output_tokens",
        "input_token_details.text_tokens",
        "input_token_details.audio_tokens",
        "input_token_details.image_tokens",
        "input_token_details.cached_tokens",
        "input_token_details.cached_tokens_details.text_tokens",
        "input_token_details.cached_tokens_details.audio_tokens",
        "input_token_details.cached_tokens_details.image_tokens",
        "output_token_details.text_tokens",
        "output_token_details.audio_tokens",
        "output_token_details.reasoning_tokens",
    }
)
#: Ways of the voice, and where their MOS and jitter stand in the record's ``quality``.
WAYS = {
    "phone_to_asterisk": ("phone_leg", "mos", "jitter_ms"),
    "asterisk_to_phone": ("phone_leg", "to_phone_mos", "to_phone_jitter_ms"),
    "phone_to_bot": ("", "mos", "jitter_ms"),
}


SHORTEST_S = 30
"""A call is taken to have lasted at least so long: a greeting alone makes two transitions."""


def transitions_a_minute(quality: dict[str, Any], seconds: float) -> float:
    """Openings and closings of the gate in a call of ``seconds``, from its quality record."""
    count = quality.get("gate_openings", 0) + quality.get("gate_closings", 0)
    return float(count / max(seconds, SHORTEST_S) * 60)


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
            quality={name: value for name, value in row["quality"].items() if not isinstance(value, list)},
        )
        seconds = call.ended_at - call.started_at
        if (a_minute := transitions_a_minute(row["quality"], seconds)) > FLUTTER:
            log.warning(
                "gate_flutters",
                transitions_a_minute=round(a_minute),
                remedy="replay its recording with `voicebot tune --sweep vad.energy_threshold=100,200,400`",
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
            metrics.tool_seconds.labels(tool["name"]).observe(tool["ms"] / 1000)
        for kind, count in journal.usage.items():
            metrics.tokens.labels(kind if kind in TOKEN_KINDS else "other").inc(max(0, count))
        self._count_quality(row["quality"])

    def _count_quality(self, quality: Row) -> None:
        metrics = self._metrics
        for what, count in quality.items():
            if isinstance(count, int):
                metrics.voice.labels(what).inc(count)
        for turn in quality.get("turns", ()):
            for part in TURN_PARTS:
                metrics.turn_part.labels(part).observe(turn[f"{part}_ms"] / 1000)
        for stop in quality.get("barge_ins", ()):
            for since in ("onset", "suspect"):
                metrics.stop.labels(since).observe(stop[f"{since}_to_stop_ms"] / 1000)
        for way, (block, mos, jitter_ms) in WAYS.items():
            figures = quality.get(block, {}) if block else quality
            if figures.get(mos) is not None:
                metrics.mos.labels(way).observe(figures[mos])
                metrics.jitter.labels(way).observe(figures[jitter_ms] / 1000)
