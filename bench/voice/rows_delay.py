"""How long a voice takes through Asterisk and the bot, each way; only told: a busy machine adds to it."""

import bisect
import time

import numpy as np

from bench.voice.line import Call, Line
from bench.voice.row import Measure, Row, tell
from bench.voice.speech import LEAD_S, MODEL_HZ, PHONE_HZ, Track, corpus, track
from bot.audio.g711 import FRAME_BYTES
from tests.e2e.sound import decode, likeness

LATE_S = 1.0


def delay_rows(quick: bool) -> list[Row]:
    said = track(corpus(1, 1))
    answers = 2 if quick else 20
    with Line() as line, line.call() as call:
        up = _to_model(call, said)
        down = []
        for n in range(answers):
            down.append(_to_phone(call, said))
            tell(f"{n + 1} of {answers} answers, {down[-1]:.0f} ms")
    return [
        Row("phone's packet → its last sample at the model", _percentiles(up), "", None),
        Row(
            "first delta sent → its packet at the phone (up to 20 are the clock's)",
            _percentiles(down),
            "",
            None,
        ),
    ]


def _to_model(call: Call, said: Track) -> list[float]:
    """Of every packet, in milliseconds."""
    call.phone.say(said.phone)
    time.sleep(LATE_S)
    trace = call.phone.trace()
    sent = [p for p in trace.packets if p.from_phone and not p.rtcp]
    caller = trace.in_order(from_phone=True)
    received = np.frombuffer(bytes(call.session.received), "<i2")[::3]
    shift = likeness(said.phone, received)[1] - likeness(said.phone, caller)[1]
    times, counts = zip(*call.session.arrivals, strict=True)
    found = []
    for n, packet in enumerate(sent, 1):
        # The filter keeps back its delay until the next packet comes; that is in ``shift`` already.
        last = (n * FRAME_BYTES + shift) * MODEL_HZ // PHONE_HZ - MODEL_HZ // 500
        at = bisect.bisect_left(counts, last)
        if 0 < at < len(times):
            found.append((times[at] - packet.time) * 1000)
    return found


def _to_phone(call: Call, said: Track) -> float:
    before = len(call.phone.trace().packets)
    sent = time.monotonic()
    call.session.say(said.model[round(LEAD_S * MODEL_HZ) :].tobytes())
    time.sleep(len(said.phone) / PHONE_HZ + LATE_S)
    came = [p for p in call.phone.trace().packets[before:] if not p.from_phone and not p.rtcp]
    heard = np.concatenate([decode(p.payload, p.payload_type) for p in came])
    first = likeness(said.phone[round(LEAD_S * PHONE_HZ) :], heard)[1]
    return (came[first // FRAME_BYTES].time - sent) * 1000


def _percentiles(values: list[float]) -> str:
    p50, p99 = np.percentile(values, [50, 99])
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"


ROWS: dict[str, Measure] = {"delay": delay_rows}
