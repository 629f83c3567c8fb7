"""Mutated RTP datagrams through parse and reorder: nothing but RtpError may be raised, nothing may grow.

python -m bench.fuzz_rtp [count, default 10,000,000] [seed]
"""

import random
import sys
import time

from bench.child import rss_bytes
from bot.errors import RtpError
from bot.rtp.packet import RtpPacket, pack, parse
from bot.rtp.reorder import MAX_MISORDER, Gap, Reorder

TICK = 0.02
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
    reorder = Reorder()
    reorder.start(0.0)
    now, emitted, refused, heap = 0.0, 0, 0, 0
    for n in range(count):
        rtp = RtpPacket(0, False, n % 2**16, n * 160 % 2**32, 1, b"\xff" * 160)
        try:
            packet = parse(mutate(pack(rtp), rng))
            pieces = reorder.push(packet, now + rng.random() * TICK)
        except RtpError:
            refused += 1
            pieces = []
        now += TICK
        pieces += reorder.poll(now)
        emitted += sum(piece.samples if isinstance(piece, Gap) else len(piece) for piece in pieces)
        assert -2 * 8000 <= emitted - now * 8000 <= (2 + now * 500e-6) * 8000, (n, emitted, now)
        assert len(reorder._waiting) <= MAX_MISORDER + 1
        if n == count // 10:
            heap = rss_bytes("self")
    grown = rss_bytes("self") - heap
    assert grown < GROWN_BYTES, f"{grown} bytes more than after a tenth of the run"
    return {"datagrams": count, "refused": refused, "resyncs": reorder.stats.resyncs, "grown_bytes": grown}


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
