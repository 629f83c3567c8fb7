"""What was promised: the budgets of a call, and whether a run kept them. PURE."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.ramp import Row
from bench.world import Step

REFERENCE_CALLS = 200
RATIO = 1.5
CALLS_PER_CORE = 300
GAP_P99_MS = 25.0


@dataclass(frozen=True)
class Verdict:
    """``binding``: a ratio, which holds on any machine; the others are promised for one core of an
    ordinary server.
    """

    what: str
    measured: str
    bound: str
    kept: bool
    binding: bool = False


def verdicts(rows: dict[str, Row], ratio: float) -> list[Verdict]:
    """All bounds that this run measured."""
    found = [Verdict("lean : floor, CPU", f"{ratio:.2f}", f"≤ {RATIO:g}", ratio <= RATIO, binding=True)]
    for name, cpu, memory in (
        ("lean", 0.25, 0.5),
        ("lean, agent talks always", 0.25, 0.5),
        ("shipped", 0.60, 1.0),
        ("G.711 to the model", 0.15, 0.5),
    ):
        if name in rows and rows[name].steps:
            found += _of_row(rows[name], cpu, memory)
    if "lean" in rows:
        found.append(_capacity(rows["lean"]))
    return found


def _of_row(row: Row, cpu: float, memory: float) -> Iterator[Verdict]:
    step = max((s for s in row.steps if s.calls <= REFERENCE_CALLS), key=lambda s: s.calls)
    checks: tuple[tuple[str, Callable[[Step], float | None], str, float], ...] = (
        ("gap p99, ms", lambda s: s.gap["p99"], ".1f", GAP_P99_MS),
        ("gap p99 while 50 calls a second are set up, ms", lambda s: s.gap_setup["p99"], ".1f", GAP_P99_MS),
        ("datagram → append p99, ms", lambda s: _p99(s.uplink), ".1f", 5.0),
        ("delta → first packet p99, ms", lambda s: _p99(s.downlink), ".1f", 21.0),
        ("memory a call, MB", lambda s: s.memory_mb, ".2f", memory),
    )
    label = f"{row.name}, {step.calls} calls"
    kept = step.cpu <= cpu and not step.lost  # a core that loses packets is full, not cheap
    yield Verdict(f"{label}: CPU a call, % of a core", f"{step.cpu:.3f}", f"≤ {cpu:g}", kept)
    for what, read, form, bound in checks:
        if (value := read(step)) is not None:
            yield Verdict(f"{label}: {what}", format(value, form), f"≤ {bound:g}", value <= bound)


def _p99(values: dict[str, float] | None) -> float | None:
    return values["p99"] if values else None


def _capacity(row: Row) -> Verdict:
    good = [s.calls for s in row.steps if not s.lost and s.gap["p99"] <= GAP_P99_MS]
    most = max(good, default=0)
    what = f"{row.name}: calls with gap p99 ≤ {GAP_P99_MS:g} ms and nothing lost"
    return Verdict(what, str(most), f"≥ {CALLS_PER_CORE}", most >= CALLS_PER_CORE)
