"""A mistake or a doubt about ``config.yaml``, as found and as told."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Path = tuple[str | int, ...]
Severity = Literal["error", "warning"]


class Finding(NamedTuple):
    """What a rule finds: where in the settings, what is wrong, what to do."""

    path: Path
    message: str
    remedy: str = ""
    severity: Severity = "error"


def warning(path: Path, message: str, remedy: str = "") -> Finding:
    return Finding(path, message, remedy, "warning")


def dotted(path: Path) -> str:
    """``("agents", "sales", "tools", 0)`` as ``agents.sales.tools[0]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@dataclass(frozen=True)
class Problem:
    """A finding with its place in the file; ``str(problem)`` is the one line that a person reads."""

    file: str
    line: int | None
    path: str
    message: str
    remedy: str
    severity: Severity

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        mark = "warning: " if self.severity == "warning" else ""
        where = f"{self.path}: " if self.path else ""
        end = " " if self.message.endswith(".") else "; "
        text = f"{place}: {mark}{where}{self.message}" + (f"{end}{self.remedy}" if self.remedy else "")
        # Values from the file are shown, and may have lines of their own.
        return " ".join(text.split())
