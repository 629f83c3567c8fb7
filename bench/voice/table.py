"""The table, on the terminal and in docs/voice-quality.md."""

from collections.abc import Iterable, Mapping, Sequence

from bench import page
from bench.child import PROJECT
from bench.voice.row import Row

PAGE = PROJECT / "docs" / "voice-quality.md"
HEAD = ("row", "what", "measured", "bound", "", "when")
MARKS = {True: "✓", False: "**missed**", None: "told"}
UNMEASURED = "**not measured**"


def text(results: Mapping[str, Sequence[Row]]) -> str:
    """For the terminal: one aligned table."""
    lines = [("row", "what", "measured", "bound", "")]
    for name, rows in results.items():
        lines += [(name, row.what, row.measured, row.bound, mark(row).strip("*")) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def write(results: Mapping[str, Sequence[Row]], order: Iterable[str]) -> None:
    """Put ``results`` into the page; what it holds of other rows stays, each with its own date."""
    kept = _lines_by_name(page.measured(PAGE))
    when = page.now()
    for name, rows in results.items():
        cells = ((name, r.what, r.measured, r.bound, mark(r), when) for r in rows)
        kept[name] = [page.table_row(line) for line in cells]
    lines = [f"On {page.machine()}.", "", page.table_row(HEAD), page.table_row(["---"] * len(HEAD))]
    lines += [line for name in order for line in kept.get(name, [])]
    page.write(PAGE, "\n".join(lines))


def mark(row: Row) -> str:
    """How a row fared."""
    return UNMEASURED if row.unmeasured else MARKS[row.passed]


def _lines_by_name(table: str) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    for line in table.splitlines():
        if line.startswith("| "):
            lines.setdefault(line.split(" | ")[0].removeprefix("| "), []).append(line)
    return lines
