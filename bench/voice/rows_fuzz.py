"""Ten million mutated datagrams and events through the pure rooms, a whole uplink and a whole talk, in one
process for each core."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed

from bench import fuzz_events, fuzz_rtp
from bench.voice.row import Measure, Row, tell

FULL = {"datagrams": 3_000_000, "model": 6_500_000, "asterisk": 500_000}
QUICK = {"datagrams": 20_000, "model": 20_000, "asterisk": 5_000}
NAMES = {
    "datagrams": "mutated datagrams",
    "model": "mutated events of the model",
    "asterisk": "mutated events of Asterisk",
}
JOB = 125_000


def fuzz_rows(quick: bool) -> list[Row]:
    counts = QUICK if quick else FULL
    jobs = [(room, min(JOB, count - at)) for room, count in counts.items() for at in range(0, count, JOB)]
    found: dict[str, list[dict[str, int]]] = {room: [] for room in counts}
    raised: dict[str, str] = {}
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(fuzz, room, count, seed): room for seed, (room, count) in enumerate(jobs)}
        for done, future in enumerate(as_completed(running), 1):
            room = running[future]
            if error := future.exception():
                raised[room] = f"{type(error).__name__}: {error}"
            else:
                found[room].append(future.result())
            tell(f"{done} of {len(jobs)} lots fuzzed")
    return [_row(room, counts[room], found[room], raised.get(room, "")) for room in counts]


def fuzz(room: str, count: int, seed: int) -> dict[str, int]:
    """One lot, in a process of the pool."""
    fuzz_events.hush()
    return fuzz_rtp.fuzz(count, seed) if room == "datagrams" else fuzz_events.fuzz(room, count, seed)


def _row(room: str, count: int, found: list[dict[str, int]], raised: str) -> Row:
    what, bound = f"{count:,} {NAMES[room]}", "no exception, no growth"
    if raised:
        return Row(what, raised, bound, False)
    refused = sum(one["refused"] for one in found)
    grown = max(one["grown_bytes"] for one in found) / 2**20
    lot = count // len(found)
    measured = f"{refused:,} refused, none raised; {grown:+.1f} MB at most in a lot of {lot:,}"
    return Row(what, measured, bound, True)


ROWS: dict[str, Measure] = {"fuzz": fuzz_rows}
