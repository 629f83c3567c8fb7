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
#: Takes long and next to nothing of the machine, so it runs beside the others, in a process of its own.
BESIDE = frozenset({"clock"})


def main() -> int:
    """0 when every row that has a bound keeps it."""
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
    with ProcessPoolExecutor(len(BESIDE), multiprocessing.get_context("spawn")) as pool:
        beside = {
            name: pool.submit(measure, name, ALL[name], arguments.quick) for name in names if name in BESIDE
        }
        alone = (name for name in names if name not in BESIDE)
        for name in (*alone, *beside):
            done = beside.get(name)
            results[name] = done.result() if done else measure(name, ALL[name], arguments.quick)
            if arguments.write:
                table.write({name: results[name]}, ALL)
    print(f"\n{table.text({name: results[name] for name in names})}")
    return 0 if all(row.passed is not False for rows in results.values() for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
