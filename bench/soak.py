"""Two hundred calls for ten minutes: does anything, the garbage collector above all, make them wait?"""

from bench import page, report
from bench.ratio import LEAN
from bench.world import World, metric

CALLS, MINUTES = 200, 10
GC_PAUSE_MS = 5.0


def main(quick: bool, write: bool) -> int:
    """0 when no collection took longer than 5 ms."""
    minutes, seconds = (2, 5.0) if quick else (MINUTES, 60.0)
    print(f"{report.where()}\n{report.line(report.HEAD)}", flush=True)
    steps = []
    with World(LEAN) as world:
        world.grow(CALLS)
        metric(world.web_port, "voicebot_gc_pause_ms")  # a look resets it
        world.gc_pause_ms = 0.0
        for _ in range(minutes):
            steps.append(world.measure(seconds))
            print(report.line(report.cells(steps[-1])), flush=True)
        pause_ms = world.gc_pause_ms
    verdict = f"longest garbage collection in {minutes * seconds / 60:g} min: {pause_ms:.1f} ms"
    print(f"{verdict} (bound {GC_PAUSE_MS:g})")
    if write:
        table = [page.table_row(report.HEAD), page.table_row(["---:"] * len(report.HEAD))]
        table += [page.table_row(report.cells(step)) for step in steps]
        report.write_page("\n".join([f"{report.where()}: {verdict}.", "", *table]), "soak")
    return int(pause_ms > GC_PAUSE_MS)
