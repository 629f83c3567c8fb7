"""What is counted of a call, on the metrics' page."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from bot.call.call import Call
from bot.call.journal import Journal
from bot.call.ports import Departure
from bot.call.stopwatch import Turn
from bot.records.ledger import TOKEN_KINDS, Ledger
from bot.records.store import CallStore
from bot.web.metrics import Metrics

QUALITY: dict[str, Any] = {
    "lost": 3,
    "jitter_ms": 4.0,
    "mos": 4.3,
    "phone_leg": {"mos": 4.0, "jitter_ms": 30.0, "to_phone_mos": None, "to_phone_jitter_ms": 1.0},
    "turns": [Turn(510, 500, 300, 1, 9).as_dict()],
    "barge_ins": [{"onset_to_stop_ms": 140, "suspect_to_stop_ms": 8}],
}


async def page(tmp_path: Path, usage: dict[str, int], quality: dict[str, Any], seconds: float = 8) -> str:
    """The metrics after one call with these figures."""
    channel = SimpleNamespace(
        caller=SimpleNamespace(number="1", name=""), dialplan=SimpleNamespace(exten="100")
    )
    call = SimpleNamespace(
        id="a",
        channel=channel,
        order=None,
        answered_by="",
        brief=None,
        started_at=1.0,
        ended_at=1.0 + seconds,
        journal=Journal(began=0.0, usage=usage),
        departure=Departure("hangup", "caller", "caller hung up"),
        quality=lambda: quality,
        recording="",
    )
    store, metrics = CallStore(str(tmp_path / "calls.sqlite")), Metrics()
    await store.open()
    await Ledger(store, metrics).ended(cast(Call, call))
    await store.close()
    return metrics.as_text().decode()


async def test_each_way_each_part_and_each_stop_is_counted(tmp_path: Path) -> None:
    text = await page(tmp_path, {}, QUALITY)
    assert 'voicebot_mos_bucket{le="4.0",way="phone_to_asterisk"} 1.0' in text
    assert 'voicebot_mos_bucket{le="4.2",way="phone_to_bot"} 0.0' in text
    assert 'way="asterisk_to_phone"' not in text, "what is not known is not counted"
    assert 'voicebot_jitter_seconds_sum{way="phone_to_asterisk"} 0.03' in text
    assert 'voicebot_turn_part_seconds_sum{part="own"} 0.02' in text
    assert 'voicebot_turn_part_seconds_sum{part="model"} 0.3' in text
    assert 'voicebot_barge_in_stop_seconds_sum{since="onset"} 0.14' in text
    assert 'voicebot_voice_total{what="lost"} 3.0' in text


async def test_a_call_without_media_has_no_figures(tmp_path: Path) -> None:
    assert "voicebot_mos_bucket" not in await page(tmp_path, {}, {})


@pytest.mark.parametrize("kinds", [3, 300])
async def test_a_server_cannot_make_series_by_naming_tokens(tmp_path: Path, kinds: int) -> None:
    invented = {f"odd_{n}_tokens": 2 for n in range(kinds)}
    text = await page(tmp_path, {"input_tokens": 7, **invented}, {})
    assert 'voicebot_tokens_total{kind="input_tokens"} 7.0' in text
    assert f'voicebot_tokens_total{{kind="other"}} {2.0 * kinds}' in text
    assert text.count("voicebot_tokens_total{") == 2 <= len(TOKEN_KINDS)


@pytest.mark.parametrize(
    ("seconds", "openings", "closings", "told"),
    [(120, 20, 20, None), (120, 21, 21, 21), (5, 4, 5, None), (5, 6, 6, 24), (60, 0, 0, None)],
)
async def test_a_gate_that_flutters_is_warned_about(
    tmp_path: Path, seconds: float, openings: int, closings: int, told: int | None
) -> None:
    with capture_logs() as logs:
        await page(tmp_path, {}, {"gate_openings": openings, "gate_closings": closings}, seconds)
    warned = [line for line in logs if line["event"] == "gate_flutters"]
    assert [line["transitions_a_minute"] for line in warned] == ([told] if told else [])
    assert all("voicebot tune" in line["remedy"] for line in warned)
