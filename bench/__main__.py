"""How many calls one core carries, and what each costs: ``python -m bench``; see docs/performance.md."""

import argparse
import statistics
import sys

from bench import extras, ratio, report, soak
from bench.bounds import verdicts
from bench.ramp import PLAN, QUICK_PLAN, run
from bench.world import Step


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["ramp", "ci", "baseline", "soak"], default="ramp")
    parser.add_argument("--quick", action="store_true", help="under a minute, up to 100 calls")
    parser.add_argument("--write", action="store_true", help="put the results into docs/performance.md")
    arguments = parser.parse_args()
    if arguments.command == "ci":
        return ratio.check()
    if arguments.command == "baseline":
        ratio.store()
        return 0
    if arguments.command == "soak":
        return soak.main(arguments.quick, arguments.write)
    return ramp(arguments.quick, arguments.write)


def ramp(quick: bool, write: bool) -> int:
    """0 when every ratio bound is kept; bounds in absolute figures are printed, but this machine may be
    no server.
    """
    print(report.where(), flush=True)
    rows = []
    for setup, steps in QUICK_PLAN if quick else PLAN:
        print(f"\n{setup.name}\n{report.line(report.HEAD)}", flush=True)
        row = run(setup, steps, 3.0 if quick else 6.0, show)
        rows.append(row)
        if row.stopped:
            print(f"ended by: {row.stopped}")
    print("\nlean and floor side by side", flush=True)
    ratios = [r for _ in range(1 if quick else 3) for r in ratio.measure(calls=100, windows=3, seconds=4.0)]
    added = []
    for setup in () if quick else extras.ALL:
        added.append(extras.measure(setup))
        print(report.extra_line(added[-1]), flush=True)
    found = verdicts({row.name: row for row in rows}, statistics.median(ratios))
    print("\n".join(map(report.verdict_line, found)))
    if write:
        report.write_page(report.markdown(rows, found, ratios, added))
        report.draw(rows)
    return 0 if all(verdict.kept for verdict in found if verdict.binding) else 1


def show(step: Step) -> None:
    print(report.line(report.cells(step)), flush=True)
    for limit in step.limits:
        print(f"        {limit}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
