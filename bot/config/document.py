"""YAML as plain data, with the line of every key.

Plain scalars stay text, so that ``exten: 0100`` keeps its zero and ``language: no`` is Norwegian; the
settings' own types turn text into numbers and booleans. Only inside ``RAW`` paths, which the settings do not
describe, YAML decides. Aliases and merge keys work; duplicate keys, foreign tags and references to oneself
are findings.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from bot.config.problem import Finding, Path
from bot.errors import ConfigError

RAW: frozenset[Path] = frozenset({("openai", "session"), ("http_tools", "*", "parameters")})
"""Paths whose values are passed on as they are; ``*`` is any name."""

_NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"
_STANDARD = "tag:yaml.org,2002:"
_TYPED = frozenset(_STANDARD + name for name in ("bool", "int", "float"))


@dataclass
class Document:
    """``data`` is nested dicts, lists, ``str`` and ``None``; ``lines`` counts from 1."""

    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def line(self, path: Path) -> int | None:
        """The line of the key, or of the nearest block around it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return None


def parse(text: str, file: str, resolve: Callable[[str, Path], str]) -> Document:
    """``text`` as a document; ``resolve(scalar, path)`` is applied to every scalar that is a value.

    Raises ``ConfigError``, one line with the position, when the text is not YAML or no mapping.
    """
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
    except yaml.YAMLError as error:
        raise _not_yaml(error, text, file) from None
    document = Document()
    if node is None:
        return document
    if not isinstance(node, yaml.MappingNode):
        line = node.start_mark.line + 1
        raise ConfigError(f"{file}:{line}: the file must hold keys and values, such as `asterisk:`")
    document.data = _Reader(loader, document, resolve).mapping(node, ())
    return document


def _not_yaml(error: yaml.YAMLError, text: str, file: str) -> ConfigError:
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark or error.context_mark):
        line, column, what = mark.line, mark.column, error.problem or error.context
    else:
        before = text[: getattr(error, "position", 0)].split("\n")
        line, column, what = len(before) - 1, len(before[-1]), "a character that YAML does not allow"
    here = "".join(text.split("\n")[line : line + 1])
    remedy = "put ${NAME} in quotes inside braces or brackets" if "${" in here else ""
    return ConfigError(f"{file}:{line + 1}:{column + 1}: not valid YAML: {what}", remedy=remedy)


def _raw(path: Path) -> bool:
    return any(
        len(path) >= len(prefix)
        and all(part in (name, "*") for name, part in zip(path, prefix, strict=False))
        for prefix in RAW
    )


class _Reader:
    def __init__(
        self, loader: yaml.SafeLoader, document: Document, resolve: Callable[[str, Path], str]
    ) -> None:
        self.loader = loader
        self.document = document
        self.resolve = resolve
        self.open: set[int] = set()
        self.seen: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.document.lines.setdefault(path, node.start_mark.line + 1)
        if not node.tag.startswith(_STANDARD):
            self.find(path, f"the tag {node.tag} has no meaning here", "remove it")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path)
        if id(node) in self.open:
            self.find(path, "an alias that contains itself", "write the value out")
            return None
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self.mapping(node, path)
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        finally:
            self.open.discard(id(node))

    def scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        if node.tag == _NULL:
            return None
        text = self.resolve(node.value, path)
        if not _raw(path) or node.tag not in _TYPED:
            return text
        try:
            return self.loader.construct_object(node)
        except ValueError as error:
            self.find(path, f"not a value: {error}", "put it in quotes")
            return None

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        # Merging puts the merged pairs into the node itself, where a second alias would find them doubled.
        if id(node) not in self.seen:
            self.seen.add(id(node))
            self.duplicates(node, path)
        try:
            self.loader.flatten_mapping(node)
        except yaml.MarkedYAMLError as error:
            self.find(path, f"`<<` cannot be merged: {error.problem}")
            return {}
        result: dict[str, Any] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                here = (*path, key.value)
                self.document.lines[here] = key.start_mark.line + 1
                result[key.value] = self.value(value, here)
        return result

    def duplicates(self, node: yaml.MappingNode, path: Path) -> None:
        first: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self.document.lines[(*path, "?")] = line
                self.find((*path, "?"), "a key must be a word, not a list or a mapping")
            elif key.value in first and key.tag != _MERGE:
                here = (*path, key.value)
                self.document.lines[here] = line
                self.find(here, f"given twice (line {first[key.value]} and line {line})", "keep one")
            else:
                first[key.value] = line

    def find(self, path: Path, message: str, remedy: str = "") -> None:
        self.document.findings.append(Finding(path, message, remedy))
