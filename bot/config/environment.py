"""``${NAME}``, ``${NAME:-default}`` and ``NAME_FILE``: values that ``config.yaml`` takes from outside.

Applied to scalars after parsing, so a value can never change the shape of the file.
"""

import re
from collections.abc import Mapping
from pathlib import Path as FilePath

from bot.config.problem import Finding, Path

_REFERENCE = re.compile(r"\$\{([^}\n]*)(\}?)")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?")


class Environment:
    """Looks names up in ``env``; what cannot be resolved becomes empty and is kept in ``findings``."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.findings: list[Finding] = []

    def resolve(self, text: str, path: Path) -> str:
        """``text`` with its references filled in, in one pass: a value is never expanded again."""
        return _REFERENCE.sub(lambda match: self._reference(match, path), text)

    def _reference(self, match: re.Match[str], path: Path) -> str:
        parts = _NAME.fullmatch(match[1])
        if parts is None or not match[2]:
            remedy = "write ${NAME} or ${NAME:-default}"
            self.findings.append(Finding(path, f"`{match[0]}` is not a reference to a variable", remedy))
            return ""
        name, default = parts[1], parts[2]
        value = self.lookup(name, path)
        if default is not None:
            return value or default
        if value is None:
            remedy = f"set {name}, or {name}_FILE to a file that holds it, or write ${{{name}:-default}}"
            self.findings.append(Finding(path, f"the environment variable {name} is not set", remedy))
        return value or ""

    def lookup(self, name: str, path: Path) -> str | None:
        """The variable, else the stripped contents of the file that ``NAME_FILE`` names, else ``None``.

        An empty variable gives way to the file: container tools pass unset variables on as empty ones.
        """
        value = self.env.get(name)
        file = self.env.get(f"{name}_FILE")
        if value or not file:
            return value
        try:
            return FilePath(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            message = f"{name}_FILE names {file}, which cannot be read ({reason})"
            self.findings.append(Finding(path, message, "name a file that this user may read"))
            return ""
