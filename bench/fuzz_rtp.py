"""Mutated RTP datagrams through the whole uplink (parse, reorder, conceal, VAD, gate, resample): nothing may
be raised, nothing may grow, and the model's clock stays with ours.

python -m bench.fuzz_rtp [count, default 10,000,000] [seed]
"""

import random
import sys
import time

from bench.child import rss_bytes
from bot.audio.g711 import ULAW
from bot.audio.gate import HELD_FRAMES
from bot.audio.vad import VadParams
from bot.call.barge_in import BargeInParams
from bot.call.uplink import Uplink, UplinkParams
from bot.rtp.packet import RtpPacket, pack
from bot.rtp.reorder import MAX_MISORDER

TICK = 0.02
BYTES_PER_S = 2 * 24000
TALK_S = 2.0
"""A turn of the agent's, or of the caller's."""
VOICES = [random.Random(n).randbytes(160) for n in range(16)]
GROWN_BYTES = 4 * 2**20
"""Resident memory breathes by this much; one byte kept of each datagram would be more."""


def mutate(datagram: bytes, rng: random.Random) -> bytes:
    """As it is in half of the cases; else bits flipped, cut short, extended, or a field set to its edge."""
    kind = rng.randrange(12)
    if kind < 6:
        return datagram
    data = bytearray(datagram)
    if kind < 9:
        for _ in range(1 + rng.randrange(4)):
            data[rng.randrange(min(len(data), 16 if kind < 8 else 172))] ^= 1 << rng.randrange(8)
    elif kind == 9:
        del data[rng.randrange(len(data)) :]
    elif kind == 10:
        data += rng.randbytes(rng.randrange(64))
    else:
        data[rng.choice((2, 4, 5)) : 6] = rng.choice((b"\0", b"\xff", b"\x7f\xff", b"\x80"))
    return bytes(data)


def fuzz(count: int, seed: int = 0) -> dict[str, int]:
    """Raises AssertionError when a bound is broken; returns counts for the report."""
    rng = random.Random(seed)
    uplink = new_uplink()
    now, emitted, heap = 0.0, 0, 0
    for n in range(count):
        rtp = RtpPacket(0, False, n % 2**16, n * 160 % 2**32, 1, rng.choice(VOICES))
        emitted += len(uplink.datagram(mutate(pack(rtp), rng), now + rng.random() * TICK))
        now += TICK
        if n % round(TALK_S / TICK) == 0:
            take_turns(uplink, rng)
        emitted += len(uplink.tick(now))
        behind_s = now - emitted / BYTES_PER_S
        # A frame that was filled up is ahead by less than itself.
        assert -2 - now * 500e-6 - TICK <= behind_s <= 2 + TICK * HELD_FRAMES, (n, emitted, now)
        assert len(uplink.reorder._waiting) <= MAX_MISORDER + 1
        if n == count // 10:
            heap = rss_bytes("self")
    grown = rss_bytes("self") - heap
    assert grown < GROWN_BYTES, f"{grown} bytes more than after a tenth of the run"
    resyncs = uplink.reorder.stats.resyncs
    return {"datagrams": count, "refused": uplink.bad, "resyncs": resyncs, "grown_bytes": grown}


def new_uplink() -> Uplink:
    """Without the canceller, which sees none of the datagrams' fields."""
    uplink = Uplink(UplinkParams(ULAW, None, 40, VadParams(), BargeInParams()))
    uplink.start(0.0)
    return uplink


def take_turns(uplink: Uplink, rng: random.Random) -> None:
    """What the turns of a talk do to an uplink."""
    audible = rng.random() < 0.5
    uplink.listen_over_agent(audible)
    if not audible:
        uplink.open_gate()
    elif rng.random() < 0.5:
        uplink.close_gate()
    else:
        uplink.hold_gate()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    started = time.perf_counter()
    result = fuzz(count, seed)
    print(
        " ".join(f"{key}={value}" for key, value in result.items()), f"{time.perf_counter() - started:.0f} s"
    )


if __name__ == "__main__":
    main()
