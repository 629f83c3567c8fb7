"""The voice laboratory: every row of docs/voice-quality.md, measured on this machine."""

import argparse
import sys
import time

from bench import page
from bench.voice import rows_filter, rows_fuzz, rows_words, table
from bench.voice.row import Measure, Row, tell

ALL: dict[str, Measure] = {**rows_filter.ROWS, **rows_words.ROWS, **rows_fuzz.ROWS}


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
    for name in arguments.only or ALL:
        began = time.monotonic()
        tell(f"{name} …")
        results[name] = ALL[name](arguments.quick)
        tell(f"{name}: {time.monotonic() - began:.0f} s")
        if arguments.write:
            table.write({name: results[name]}, ALL)
    print(f"\n{table.text(results)}")
    return 0 if all(row.passed is not False for rows in results.values() for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
