"""What measurements have in common: the machine they ran on, and the measured part of a page."""

import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from bench.child import PROJECT

MARKS = "<!-- {part}: begin -->", "<!-- {part}: end -->"


def now() -> str:
    """For a measurement: when."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def commit() -> str:
    """For a measurement: of what. ``-dirty`` when more than documents differs from the commit."""
    revision = _git("describe", "--always").stdout.strip() or "unknown"
    return revision + ("-dirty" if _git("diff", "--quiet", "HEAD", "--", ".", ":!docs").returncode else "")


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)


def machine() -> str:
    """For a measurement: on what."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return (
        f"{os.cpu_count()} cores of {next(names, platform.machine())}, "
        f"Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"
    )


def table_row(values: Iterable[str]) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(values)} |"


def measured(page: Path, part: str = "measured") -> str:
    """What is between the marks of ``part`` in ``page``."""
    begin, end = (mark.format(part=part) for mark in MARKS)
    return page.read_text().partition(begin)[2].partition(end)[0].strip("\n")


def write(page: Path, text: str, part: str = "measured") -> None:
    """Put ``text`` between the marks of ``part`` in ``page``."""
    begin, end = (mark.format(part=part) for mark in MARKS)
    before, _, rest = page.read_text().partition(begin)
    page.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}")
