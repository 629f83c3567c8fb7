"""One line of the table, and what measures it.

A module ``rows_NAME`` measures one subject; its ``ROWS`` says what it can measure, by the name that
``--only`` takes. A quick measurement is a short run for the tests: the same way, fewer calls, and the same
bound where a short run can hold it.
"""

import gc
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """``passed``: whether ``measured`` keeps ``bound``; ``None`` where there is none and the figure is only
    told, or where it could not be measured here.
    """

    what: str
    measured: str
    bound: str
    passed: bool | None

    @property
    def unmeasured(self) -> bool:
        return self.passed is None and bool(self.bound)


#: ``quick`` → the rows that were measured.
Measure = Callable[[bool], list[Row]]


def tell(progress: str) -> None:
    """Show how far a measurement has come: over the last such line on a terminal, else as a line."""
    if sys.stderr.isatty():
        print(f"\r\033[K  {progress}", end="", file=sys.stderr, flush=True)
    else:
        print(f"  {progress}", file=sys.stderr, flush=True)


def measure(name: str, rows: Measure, quick: bool) -> list[Row]:
    """A row that cannot be measured is missed, and costs the others nothing."""
    began = time.monotonic()
    tell(f"{name} …")
    gc.disable()  # the relays are in this process, and keep more and more packets to look through
    try:
        found = rows(quick)
    except Exception as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        found = [Row(name, f"could not be measured: {why}", "", False)]
        traceback.print_exc()
    finally:
        gc.enable()
        gc.collect()
    tell(f"{name}: {time.monotonic() - began:.0f} s")
    return found
