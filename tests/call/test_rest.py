"""The line while a destination rings: its time goes on, and comes to nobody at once."""

from pathlib import Path
from typing import Any

from bot.audio.g711 import ULAW
from bot.audio.vad import VadParams
from bot.call.barge_in import BargeInParams
from bot.call.downlink import Downlink
from bot.call.rest import Rest
from bot.call.uplink import Uplink, UplinkParams
from bot.rtp.sender import RtpSender

FRAME_S = 0.02
RING_S = 30.0


def test_half_a_minute_of_ringing_is_recorded_on_both_tracks_and_told_to_nobody(tmp_path: Path) -> None:
    tracks: dict[str, int] = {"caller": 0, "agent": 0}

    def grows(track: str, frame: bytes) -> None:
        tracks[track] += 1

    def nothing(*_: Any) -> None:
        raise AssertionError("the line has not failed")

    sent: list[bytes] = []
    uplink = Uplink(
        UplinkParams(ULAW, None, 40, VadParams(), BargeInParams()),
        on_frame=lambda frame: grows("caller", frame),
    )
    downlink = Downlink(
        ULAW,
        None,
        RtpSender(0, ssrc=2, sequence=0, timestamp=0),
        on_frame=lambda frame: grows("agent", frame),
    )
    rest = Rest(uplink, downlink, sent.append, nothing)
    now = 100.0
    uplink.start(now)
    downlink.audio("i1", bytes(48_000))  # a sentence that nobody hears any more
    rest.begin()
    for _ in range(round(RING_S / FRAME_S)):
        now += FRAME_S
        rest.tick(now)
    assert len(sent) == RING_S / FRAME_S
    assert abs(tracks["caller"] - tracks["agent"]) <= 4, "80 ms"
    assert len(uplink.tick(now + FRAME_S)) <= 3 * 960, "what the next talk gets at once: 60 ms at the most"
