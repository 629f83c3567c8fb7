"""The bot against the floor, side by side: both talk at once, so whatever else the machine does hits both
alike.
"""

import json
import statistics
import time
from contextlib import ExitStack
from pathlib import Path

from bench.world import Setup, World

BASELINE = Path(__file__).with_name("baseline.json")
WORSE = 1.2
"""Times the stored ratio: so much worse twice is red."""
LEAN = Setup("lean")
FLOOR = Setup("floor", under_test="floor")


def measure(calls: int, windows: int, seconds: float) -> list[float]:
    """CPU time of the bot over that of the floor, for each window."""
    return [bot_s / floor_s for bot_s, floor_s in side_by_side(LEAN, FLOOR, calls, windows, seconds)]


def side_by_side(
    one: Setup, other: Setup, calls: int, windows: int, seconds: float
) -> list[tuple[float, float]]:
    """CPU seconds of both in each window, while both talk."""
    found = []
    with ExitStack() as stack:
        worlds = [stack.enter_context(World(setup)) for setup in (one, other)]
        for world in worlds:
            world.grow(calls)
        for _ in range(windows):
            before = [world.tested.cpu_s() for world in worlds]
            time.sleep(seconds)
            first_s, second_s = (w.tested.cpu_s() - b for w, b in zip(worlds, before, strict=True))
            found.append((first_s, second_s))
    return found


def check() -> int:
    """For CI: 1 when the median of five windows is 20 % worse than the stored ratio, twice."""
    bound = WORSE * float(json.loads(BASELINE.read_text())["ratio"])
    for _ in range(2):
        ratios = measure(calls=50, windows=5, seconds=2.0)
        ratio = statistics.median(ratios)
        shown = ", ".join(f"{value:.2f}" for value in ratios)
        print(f"bot : floor = {ratio:.2f} (of {shown}); at most {bound:.2f}", flush=True)
        if ratio <= bound:
            return 0
    return 1


def store() -> None:
    """Make what is measured now the baseline."""
    ratio = statistics.median(measure(calls=50, windows=9, seconds=2.0))
    BASELINE.write_text(json.dumps({"ratio": round(ratio, 3), "calls": 50}) + "\n")
    print(f"bot : floor = {ratio:.2f}, stored in {BASELINE.name}")
