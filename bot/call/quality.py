"""What a call's figures are called in its record, and the estimated MOS of each way. PURE.

Two places count packets. Asterisk counts the phone's leg: what came from the phone, and by the phone's RTCP
reports what reached it. The bot counts what reached *it*: since Asterisk passes holes on, that is the whole
way from the phone.
"""

from collections.abc import Mapping
from typing import Any

from bot.rtp.emodel import WITH_CONCEALMENT, WITHOUT_CONCEALMENT, mos

ASSUMED_ONE_WAY_MS = 60.0
"""Packets of 20 ms and a jitter buffer of 40 ms: nobody tells us, and below 100 ms it changes nothing."""

LONGEST_RTT_S = 10.0
"""Beyond it is a slip of Asterisk's reckoning, which has been seen to make hours of it."""

REPORTED = ("rtt", "rxjitter", "txploss", "remote_normdevmes")
"""Any of these is there once the phone has reported."""


def uplink_mos(counts: Mapping[str, Any], rtt_ms: float | None) -> float | None:
    """The caller as he reached the bot, which conceals what is missing; None without a packet. Of the packets
    ``received`` those too late, or there already, are not heard."""
    heard = max(0, counts["received"] - counts["late"] - counts["duplicates"])
    return _mos(heard, counts["lost"] + counts["late"], rtt_ms, WITH_CONCEALMENT)


def phone_leg(statistics: Mapping[str, Any]) -> dict[str, Any]:
    """Asterisk's ``rtp_statistics`` of the caller's channel, under our names; empty without a packet.

    There ``tx`` and ``rx`` are Asterisk's, but its ``txjitter`` is that of what it received, and ``rxjitter``
    what the phone reports. Losses are brought up to date every 5 s. Before the phone's first report nothing
    is known of the way to it.
    """
    received, sent = _number(statistics, "rxcount"), _number(statistics, "txcount")
    if not received:
        return {}
    lost = _number(statistics, "rxploss")
    rtt_s = _number(statistics, "rtt")
    rtt_ms = 1000 * rtt_s if 0 < rtt_s < LONGEST_RTT_S else None
    leg: dict[str, Any] = {
        "received": int(received),
        "lost": int(lost),
        "jitter_ms": round(1000 * _number(statistics, "txjitter"), 2),
        "mos": _mos(received, lost, rtt_ms, WITH_CONCEALMENT),
        "rtt_ms": None if rtt_ms is None else round(rtt_ms, 1),
    }
    if any(_number(statistics, name) for name in REPORTED):
        lost = min(_number(statistics, "txploss"), sent)
        leg |= {
            "to_phone_sent": int(sent),
            "to_phone_lost": int(lost),
            "to_phone_jitter_ms": round(1000 * _number(statistics, "rxjitter"), 2),
            "to_phone_mos": _mos(sent - lost, lost, rtt_ms, WITHOUT_CONCEALMENT),
        }
    return leg


def _mos(received: float, missing: float, rtt_ms: float | None, bpl: float) -> float | None:
    if not received + missing:
        return None
    return round(mos(missing / (received + missing), ASSUMED_ONE_WAY_MS + (rtt_ms or 0.0) / 2, bpl), 2)


def _number(statistics: Mapping[str, Any], name: str) -> float:
    value = statistics.get(name)
    return max(0.0, float(value)) if isinstance(value, int | float) else 0.0
