"""Audio in bursts: what the model sends in a second and the caller hears in thirty."""

import time
from itertools import pairwise

import numpy as np

from bench.voice.line import Line
from bench.voice.row import Measure, Row, tell
from bench.voice.speech import LEAD_S, MODEL_HZ, PHONE_HZ, corpus, track
from bot.audio.g711 import FRAME_BYTES, ULAW
from bot.audio.resample import Downsampler
from bot.rtp.packet import RtpPacket, parse
from tests.e2e.sound import Pcm

FASTER = 30
TALKSPURTS = 2
QUIET_S = 1.0
SENTENCES = {True: 1, False: 7}
"""Said in a quick run and in a full one: 5 and 30 seconds."""


def burst_rows(quick: bool) -> list[Row]:
    said = track(corpus(SENTENCES[quick], 1)).model[round(LEAD_S * MODEL_HZ) :]
    seconds = len(said) / MODEL_HZ
    with Line(watched=True) as line, line.call() as call:
        assert line.between is not None
        for n in range(TALKSPURTS):
            tell(f"{n + 1} of {TALKSPURTS} bursts of {seconds:.0f} s")
            call.session.say(said.tobytes(), within_s=seconds / FASTER)
            time.sleep(seconds * (1 - 1 / FASTER) + QUIET_S)
        sent = [parse(data) for data in line.between.from_bot()]
        heard = b"".join(p.payload for p in call.phone.trace().packets if not p.from_phone and not p.rtcp)
    return [_nothing_lost(said, heard), *_headers(sent)]


def _nothing_lost(said: Pcm, heard: bytes) -> Row:
    """Byte for byte what our filter and G.711 make of the audio, as often as it was said."""
    resampler = Downsampler()
    wanted = ULAW.encode(resampler.process(said.tobytes()) + resampler.flush()).rstrip(b"\xff\x7f")
    count = heard.count(wanted)
    seconds = len(said) / MODEL_HZ
    what = f"{seconds:.1f} s of audio in {seconds / FASTER:.1f} s, at the caller"
    measured = f"{count} of {TALKSPURTS} times every byte ({len(wanted) / PHONE_HZ:.1f} s)"
    return Row(what, measured, "nothing lost", count == TALKSPURTS)


def _headers(sent: list[RtpPacket]) -> list[Row]:
    steps = {
        ((b.sequence - a.sequence) % 2**16, (b.timestamp - a.timestamp) % 2**32) for a, b in pairwise(sent)
    }
    even = steps == {(1, FRAME_BYTES)}
    spoken = [bool(np.any(np.frombuffer(ULAW.decode(p.payload), "<i2"))) for p in sent]
    marked = [n for n, packet in enumerate(sent) if packet.marker]
    begins = [n for n in marked if any(spoken[n : n + 10]) and not any(spoken[max(0, n - 25) : n])]
    right = len(marked) == len(begins) == TALKSPURTS
    return [
        Row(
            "sequence and timestamp of what we send",
            f"{len(sent)} packets, steps {', '.join(f'{s}/{t}' for s, t in sorted(steps))}",
            "1/160 always",
            even,
        ),
        Row(
            "marker bits",
            f"{len(marked)} in {TALKSPURTS} talkspurts",
            "on the first frame of each, nowhere else",
            right,
        ),
    ]


ROWS: dict[str, Measure] = {"burst": burst_rows}
