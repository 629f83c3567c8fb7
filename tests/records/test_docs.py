"""``docs/records.md`` names the columns, the figures and the metrics that there are."""

import re
from pathlib import Path

from bot.audio.g711 import ULAW
from bot.audio.vad import VadParams
from bot.call.barge_in import BargeInParams
from bot.call.downlink import Downlink
from bot.call.quality import phone_leg
from bot.call.stopwatch import TURN_PARTS
from bot.call.uplink import Uplink, UplinkParams
from bot.records.store import SCHEMA
from bot.rtp.sender import RtpSender
from bot.web.metrics import Metrics

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "records.md").read_text(encoding="utf-8")
TABLES = SCHEMA.split("CREATE TABLE IF NOT EXISTS messages")
#: Added by the conversation and the call.
OF_THE_CALL = {
    *("responses", "suspects", "interruptions", "partial_audio", "turns", "barge_ins"),
    *("rejected", "mos", "phone_leg"),
}


def rows(heading: str) -> set[str]:
    """The names in the first column of the table below a heading."""
    below = PAGE.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]
    cells = re.findall(r"^\| (`[^|]+) \|", below, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_every_column() -> None:
    calls, messages = (set(re.findall(r"\b([a-z_]+) (?:TEXT|REAL|INTEGER)", part)) for part in TABLES)
    assert rows("# The record of a call") == calls
    assert rows("## Messages") == messages


def test_every_figure() -> None:
    uplink = Uplink(UplinkParams(ULAW, None, 40, VadParams(), BargeInParams()))
    downlink = Downlink(ULAW, None, RtpSender(0, ssrc=1, sequence=0, timestamp=0))
    assert rows("## Quality") == OF_THE_CALL | set(uplink.quality()) | set(downlink.quality())
    assert rows("### A turn") == {f"{part}_ms" for part in TURN_PARTS}
    assert rows("### The phone's leg") == set(phone_leg({"rxcount": 9, "txcount": 9, "rtt": 0.02}))


def test_every_metric() -> None:
    gauges = set(re.findall(r"\"(voicebot_\w+)\"", (PROJECT / "bot" / "app.py").read_text(encoding="utf-8")))
    metrics = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in Metrics().registry.collect()
    }
    assert rows("## Metrics") == gauges | metrics
