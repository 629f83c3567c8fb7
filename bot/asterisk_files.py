"""Asterisk's configuration files as they lie in a folder: sections, templates, includes. Reads only."""

import re
from collections import Counter
from pathlib import Path

Entries = list[tuple[str, str]]

_SECTION = re.compile(r"\[([^\]]+)\](?:\(([^)]*)\))?")
_INCLUDE = re.compile(r"#(?:try)?include\s+[\"<]?([^\">]+)[\">]?")
_ENTRY = re.compile(r"([^=]+?)\s*=>?\s*(.*)")
# A `;` begins a comment unless a backslash goes before it.
_COMMENT = re.compile(r"(?<!\\);.*")
_BLOCK_COMMENT = re.compile(r";--(?!-).*?--;", re.DOTALL)
MAX_DEPTH = 16


class AsteriskFiles:
    """``section("http.conf", "general")["bindport"]``; what is not there is empty."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._read: dict[str, dict[str, Entries]] = {}

    def exists(self, file: str) -> bool:
        return (self.directory / file).is_file()

    def sections(self, file: str) -> dict[str, Entries]:
        """The entries of each section of a file and of what it includes, those of templates first."""
        if file not in self._read:
            sections: dict[str, Entries] = {}
            self._parse(self.directory / file, sections, None, 0)
            self._read[file] = sections
        return self._read[file]

    def entries(self, file: str, section: str) -> Entries:
        """Every ``key = value`` of a section, in order."""
        return self.sections(file).get(section, [])

    def section(self, file: str, section: str) -> dict[str, str]:
        """The same by key; the last one counts, as it does for Asterisk."""
        return dict(self.entries(file, section))

    def header(self, file: str, section: str) -> str:
        """``[section]``, or ``[section](+)`` when it is there already and more is added to it."""
        return f"[{section}]" + ("(+)" if section in self.sections(file) else "")

    def included(self, context: str) -> set[str]:
        """The contexts that a dialplan context includes, directly or not."""
        found: set[str] = set()
        waiting = [context]
        while waiting:
            for key, value in self.entries("extensions.conf", waiting.pop()):
                name = re.split(r"[,|]", value)[0].strip()
                if key == "include" and name not in found:
                    found.add(name)
                    waiting.append(name)
        return found

    @property
    def freepbx(self) -> bool:
        """Whether FreePBX writes these files, which it then does again and again."""
        return self.exists("extensions_additional.conf") and self.exists("extensions_custom.conf")

    @property
    def phone_context(self) -> str:
        """The context that most SIP phones dial in; empty when there are none."""
        endpoints = [dict(entries) for entries in self.sections("pjsip.conf").values()]
        contexts = [
            each["context"] for each in endpoints if each.get("type") == "endpoint" and "context" in each
        ]
        peers = [dict(entries) for entries in self.sections("sip.conf").values()]
        contexts += [each["context"] for each in peers if "context" in each and "type" in each]
        return Counter(contexts).most_common(1)[0][0] if contexts else ""

    def _parse(self, path: Path, sections: dict[str, Entries], current: str | None, depth: int) -> str | None:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return current
        previous = ""
        for raw in _BLOCK_COMMENT.sub("", text).splitlines():
            line = _COMMENT.sub("", raw).strip()
            if include := _INCLUDE.match(line):
                if depth < MAX_DEPTH:
                    for inner in sorted(self.directory.glob(_below(include[1].strip(), self.directory))):
                        current = self._parse(inner, sections, current, depth + 1)
            elif header := _SECTION.match(line):
                current = header[1]
                into = sections.setdefault(current, [])
                for template in (header[2] or "").split(","):
                    into += (
                        sections.get(template.strip(), []) if template.strip() not in ("", "+", "!") else []
                    )
            elif (entry := _ENTRY.match(line)) and current is not None:
                key = previous if entry[1] == "same" and previous else entry[1]
                previous = key
                sections[current].append((key, entry[2]))
        return current


def _below(name: str, directory: Path) -> str:
    """An included name as a pattern inside ``directory``; Asterisk takes absolute ones too."""
    path = Path(name)
    if not path.is_absolute():
        return name
    try:
        return str(path.relative_to(directory))
    except ValueError:
        return path.name
