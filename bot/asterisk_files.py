"""Asterisk's configuration files as they lie in a folder: sections, templates, includes. Reads only."""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from bot.errors import ResourceError

Entries = list[tuple[str, str]]


class Section(NamedTuple):
    name: str
    entries: Entries
    template: bool


_SECTION = re.compile(r"\[([^\]]+)\](?:\(([^)]*)\))?")
_INCLUDE = re.compile(r"#(?:try)?include\s+[\"<]?([^\">]+)[\">]?")
_ENTRY = re.compile(r"([^=]+?)\s*=>?\s*(.*)")
# A `;` begins a comment unless a backslash goes before it.
_COMMENT = re.compile(r"(?<!\\);.*")
_BLOCK_COMMENT = re.compile(r";--(?!-).*?--;", re.DOTALL)
MAX_DEPTH = 16


class AsteriskFiles:
    """``section("http.conf", "general")["bindport"]``; what is not there is empty.

    Raises ResourceError for what is there and may not be read.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._read: dict[str, list[Section]] = {}

    def exists(self, file: str) -> bool:
        try:
            return (self.directory / file).is_file()
        except PermissionError:
            raise _unreadable(self.directory) from None

    def read(self, file: str) -> list[Section]:
        """Each section of a file and of what it includes, in order, the entries of templates first. In some
        files several have one name and differ in their type."""
        if file not in self._read:
            self._read[file] = []
            self._parse(self.directory / file, self._read[file], 0)
        return self._read[file]

    def sections(self, file: str) -> dict[str, Entries]:
        """The same with sections of one name taken together."""
        merged: dict[str, Entries] = {}
        for section in self.read(file):
            merged.setdefault(section.name, []).extend(section.entries)
        return merged

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
        """The context of the dialplan that most SIP phones dial in; empty when there are none."""
        phones = [dict(section.entries) for section in self.read("pjsip.conf") if not section.template]
        contexts = [phone.get("context", "") for phone in phones if phone.get("type") == "endpoint"]
        peers = [dict(section.entries) for section in self.read("sip.conf") if not section.template]
        contexts += [peer.get("context", "") for peer in peers if "type" in peer]
        dialplan = self.sections("extensions.conf")
        found = Counter(context for context in contexts if context in dialplan)
        return found.most_common(1)[0][0] if found else ""

    def _parse(self, path: Path, sections: list[Section], depth: int) -> None:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except PermissionError:
            raise _unreadable(path) from None
        except OSError:
            return
        previous = ""
        for raw in _BLOCK_COMMENT.sub("", text).splitlines():
            line = _COMMENT.sub("", raw).strip()
            if include := _INCLUDE.match(line):
                if depth < MAX_DEPTH:
                    for inner in sorted(self.directory.glob(_below(include[1].strip(), self.directory))):
                        self._parse(inner, sections, depth + 1)
            elif header := _SECTION.match(line):
                _open(sections, header[1], [word.strip() for word in (header[2] or "").split(",")])
            elif (entry := _ENTRY.match(line)) and sections:
                previous = previous if entry[1] == "same" else entry[1]
                sections[-1].entries.append((previous, entry[2]))


def _unreadable(path: Path) -> ResourceError:
    return ResourceError(f"{path} cannot be read", remedy="run this as root, or as the user asterisk")


def _open(sections: list[Section], name: str, options: list[str]) -> None:
    """Begins a section with what its templates hold; ``!`` and ``+`` are marks, not templates."""
    entries: Entries = []
    for option in options:
        if option not in ("", "+", "!"):
            entries += next((section.entries for section in sections if section.name == option), [])
    sections.append(Section(name, entries, "!" in options))


def _below(name: str, directory: Path) -> str:
    """An included name as a pattern inside ``directory``; Asterisk takes absolute ones too."""
    path = Path(name)
    if not path.is_absolute():
        return name
    try:
        return str(path.relative_to(directory))
    except ValueError:
        return path.name
