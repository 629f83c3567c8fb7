"""The voice laboratory: every row of docs/voice-quality.md, measured on this machine."""

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

from bench import page
from bench.voice import (
    rows_burst,
    rows_clock,
    rows_delay,
    rows_echo,
    rows_filter,
    rows_fuzz,
    rows_pesq,
    rows_turns,
    rows_words,
    table,
)
from bench.voice.row import Measure, Row, measure

ALL: dict[str, Measure] = {
    **rows_filter.ROWS,
    **rows_delay.ROWS,
    **rows_words.ROWS,
    **rows_pesq.ROWS,
    **rows_burst.ROWS,
    **rows_clock.ROWS,
    **rows_turns.ROWS,
    **rows_echo.ROWS,
    **rows_fuzz.ROWS,
}
#: Ten minutes of two calls, in a process of its own. Beside it run only rows that leave the machine idle: a
#: handful of calls, no ears, and either nothing judged in milliseconds or one call alone.
CLOCK = "clock"
BESIDE_CLOCK = ("burst", "delay", "end-of-turn", "farewell", "over-echo-early", "coughs-over-echo")


def main() -> int:
    """0 when every row that has a bound was measured and keeps it."""
    parser = argparse.ArgumentParser(prog="python -m bench.voice", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run of each row, as the tests do")
    parser.add_argument("--only", action="append", choices=ALL, metavar="NAME", help=", ".join(ALL))
    parser.add_argument("--write", action="store_true", help="put the results into docs/voice-quality.md")
    arguments = parser.parse_args()
    if arguments.write and arguments.quick:
        parser.error("a quick run is not for the page: leave out --quick or --write")
    print(f"{page.now()}, {page.machine()}, commit {page.commit()}", flush=True)
    results: dict[str, list[Row]] = {}
    names = [name for name in ALL if name in (arguments.only or ALL)]
    beside = [name for name in names if name in BESIDE_CLOCK]

    def keep(name: str, rows: list[Row]) -> None:
        results[name] = rows
        if arguments.write:
            table.write({name: rows}, ALL)

    if CLOCK in names:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            clock = pool.submit(measure, CLOCK, ALL[CLOCK], arguments.quick)
            for name in beside:
                keep(name, measure(name, ALL[name], arguments.quick))
            keep(CLOCK, clock.result())
    for name in names:
        if name not in results:
            keep(name, measure(name, ALL[name], arguments.quick))
    print(f"\n{table.text({name: results[name] for name in names})}")
    missed = (row.passed is False or row.unmeasured for rows in results.values() for row in rows)
    return int(any(missed))


if __name__ == "__main__":
    sys.exit(main())
