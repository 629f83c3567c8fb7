"""A run as text, as the measured part of ``docs/performance.md``, and as a picture."""

from collections.abc import Iterable, Sequence

from bench import page
from bench.bounds import Verdict
from bench.child import PROJECT
from bench.extras import Extra
from bench.ramp import Row
from bench.world import Step

PAGE = PROJECT / "docs" / "performance.md"
PICTURE = PROJECT / "docs" / "img" / "performance.png"
HEAD = (
    "calls",
    "CPU %",
    "gap p50",
    "p95",
    "p99",
    "max",
    "set-up gap p99",
    "lost",
    "up p50",
    "p99",
    "down p50",
    "p99",
    "late max",
    "MB",
    "waited",
)


def cells(step: Step) -> list[str]:
    """One step, as ``HEAD`` says."""
    gap = step.gap
    return [
        str(step.calls),
        f"{step.cpu:.3f}",
        *(f"{gap[name]:.1f}" for name in ("p50", "p95", "p99", "max")),
        f"{step.gap_setup['p99']:.1f}",
        str(step.lost),
        *_pair(step.uplink),
        *_pair(step.downlink),
        "–" if step.loop_late_ms is None else f"{step.loop_late_ms:.0f}",
        "–" if step.memory_mb is None else f"{step.memory_mb:.2f}",
        f"{step.waited:.0%}",
    ]


def _pair(values: dict[str, float] | None) -> tuple[str, str]:
    return ("–", "–") if values is None else (f"{values['p50']:.1f}", f"{values['p99']:.1f}")


def line(values: Sequence[str]) -> str:
    """For the terminal."""
    return "  ".join(value.rjust(max(len(head), 6)) for value, head in zip(values, HEAD, strict=True))


def verdict_line(verdict: Verdict) -> str:
    """For the terminal."""
    kept = "pass" if verdict.kept else "MISS"
    kind = "  [ratio]" if verdict.binding else ""
    return f"{kept}  {verdict.what}: {verdict.measured} ({verdict.bound}){kind}"


def where() -> str:
    """When, where and what was measured."""
    return f"{page.now()}, {page.machine()}, commit {page.commit()}"


def extra_line(extra: Extra) -> str:
    """For the terminal."""
    return f"{extra.points:+.3f} % of a core a call ({extra.times:.2f} of lean): {extra.name}"


def markdown(
    rows: Iterable[Row], verdicts: Iterable[Verdict], ratios: Sequence[float], extras: Iterable[Extra]
) -> str:
    """The measured part of the page."""
    parts = [f"Measured {where()}.", "", "| bound | measured | promised | |", "|---|---|---|---|"]
    parts += [
        f"| {v.what} | {v.measured} | {v.bound} | {'✓' if v.kept else '**missed**'} |" for v in verdicts
    ]
    parts += ["", f"lean : floor, window by window: {', '.join(f'{r:.2f}' for r in ratios)}."]
    parts += ["", "| with | % of a core a call, against lean | CPU of lean |", "|---|---:|---:|"]
    parts += [f"| {extra.name} | {extra.points:+.3f} | {extra.times:.2f} |" for extra in extras]
    for row in rows:
        parts += ["", f"### {row.name}", "", page.table_row(HEAD), page.table_row(["---:"] * len(HEAD))]
        parts += [page.table_row(cells(step)) for step in row.steps]
        notes = [f"At {step.calls} calls {', '.join(step.limits)}." for step in row.steps if step.limits]
        if row.stopped:
            notes.append(f"Ended by: {row.stopped}.")
        parts += ["", *notes] if notes else []
    return "\n".join(parts)


def write_page(text: str, part: str = "measured") -> None:
    """Put ``text`` between the marks of ``part`` in the page."""
    page.write(PAGE, text, part)


def draw(rows: Iterable[Row]) -> None:
    """CPU and gap over the number of calls."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    cpu, gap = figure.subplots(1, 2)
    for row in rows:
        calls = [step.calls for step in row.steps]
        cpu.plot(calls, [step.cpu for step in row.steps], marker="o", label=row.name)
        gap.plot(calls, [step.gap["p99"] for step in row.steps], marker="o", label=row.name)
    cpu.set(title="CPU of one call", xlabel="calls at once", ylabel="% of a core", ylim=(0, None))
    gap.set(title="Gap between packets, p99", xlabel="calls at once", ylabel="ms")
    gap.axhline(25, color="grey", linestyle=":", linewidth=1)
    for axes in (cpu, gap):
        axes.grid(alpha=0.3)
    cpu.legend(fontsize=8)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
