"""What the documents say exists: links, paths, commands, tests, log lines, packages, drawings."""

import ast
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import ModuleType

import pytest
import typer

from bot import errors
from bot.cli import cli
from bot.config.load import load

PROJECT = Path(__file__).resolve().parents[1]
DOCS = PROJECT / "docs"
PAGES = [PROJECT / "README.md", PROJECT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
FOLDERS = "asterisk|bench|bot|demo|deploy|docs|tests"
#: Written by whoever installs, not by us.
SECRETS = "deploy/secrets/"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"```.*?\n(.*?)```|`([^`\n]+)`", re.DOTALL)
#: The operators' log lines: as documents write them (N a number, NAME a name), and as the code does.
LOG_LINES = {
    "OpenAI Realtime session created": "OpenAI Realtime session created",
    "OpenAI session configured with N tools": "OpenAI session configured with %d tools",
    "Session updated with tools: N": "Session updated with tools: %d",
    "response.audio.delta: N bytes": "response.audio.delta: %d bytes",
    "OpenAI function call detected: NAME": "OpenAI function call detected: %s",
    "response.done received": "response.done received",
    "missing_required_parameter: session.tools[0].name": "missing_required_parameter: session.tools[0].name",
    "AI used farewell phrase without invoking hangup_call tool": (
        "AI used farewell phrase without invoking hangup_call tool"
    ),
}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())


def code(page: Path) -> list[str]:
    """The page's blocks and spans of code."""
    return [block or span for block, span in SPAN.findall(page.read_text(encoding="utf-8"))]


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings, and those set by hand."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(SPAN.sub("", page.read_text(encoding="utf-8"))):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@every_page
def test_paths_exist(page: Path) -> None:
    for text in code(page):
        for path in re.findall(rf"(?<![\w./-])(?:{FOLDERS})/[\w./-]*\w", text):
            assert path.startswith(SECRETS) or (PROJECT / path).exists(), path


@every_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    begin = re.compile(r"^(?:[A-Z_]+=\S+ )*make ([a-z][a-z0-9-]*)", re.MULTILINE)
    named = {name for text in code(page) for name in begin.findall(text)}
    assert named <= targets


@every_page
def test_commands_and_modules_exist(page: Path) -> None:
    group = typer.main.get_command(cli)
    commands = {name: {o for p in c.params for o in p.opts} for name, c in vars(group)["commands"].items()}
    for text in code(page):
        for command, rest in re.findall(r"(?:^|[\s/])voicebot ([a-z-]+)([^\n|]*)", text, re.MULTILINE):
            assert command in commands, text
            assert set(re.findall(r"(?<!\S)--[a-z-]+", rest.split("#")[0])) <= commands[command], text
        for module in re.findall(rf"python[0-9.]* -m ((?:{FOLDERS})[\w.]*)", text):
            assert importlib.util.find_spec(module), module


@every_page
def test_tests_that_are_named_exist(page: Path) -> None:
    there = {
        name
        for file in (PROJECT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))
    }
    assert {text for text in code(page) if re.fullmatch(r"test_\w+", text)} <= there


def spoken_log_lines() -> Iterator[str]:
    """Every text in the two files that log the operators' lines."""
    for file in ("bot/realtime/client.py", "bot/call/conversation.py"):
        for node in ast.walk(ast.parse((PROJECT / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_the_code_logs_the_operators_lines() -> None:
    assert set(LOG_LINES.values()) <= set(spoken_log_lines())


@every_page
def test_log_lines_are_word_for_word(page: Path) -> None:
    begins = tuple(
        {line.split(" ")[0] for line in LOG_LINES if line.startswith(("OpenAI", "Session", "AI "))}
    )
    for text in code(page):
        if text.startswith(tuple(f"{word} " for word in begins)) and "\n" not in text:
            general = re.sub(r"\b\d+\b", "N", text)
            general = re.sub(r"(?<=detected: )\w+", "NAME", general)
            assert general in LOG_LINES


def test_exit_codes_are_those_of_the_errors() -> None:
    rows = re.findall(r"^\| (\d+) \| ", (PROJECT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")]
    assert {kind.exit_code for kind in kinds} | {0, 130} == set(map(int, rows))


def test_every_package_is_explained() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = {re.split(r"[<>=;\[ ]", one)[0] for one in [*project["dependencies"], *chain(*extras)]}
    page = (DOCS / "dependencies.md").read_text(encoding="utf-8")
    tables = page.partition("## Programs")[0]
    named = {name for row in re.findall(r"^\| ([^|]+) \|", tables, re.MULTILINE) for name in row.split(", ")}
    assert named - {"package", "---"} == wanted


def test_the_golden_settings_are_what_comes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    page = (DOCS / "case-studies" / "OpenAI-Realtime-Golden-Baseline.md").read_text(encoding="utf-8")
    block = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert block
    written = tmp_path / "config.yaml"
    written.write_text(block[1], encoding="utf-8")
    golden, shipped = (load(path).settings for path in (written, PROJECT / "config.yaml"))
    for name in ("openai", "vad", "barge_in", "echo", "logging"):
        assert getattr(golden, name) == getattr(shipped, name)


def drawings() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw", DOCS / "img" / "draw.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_drawings_are_of_today() -> None:
    for name, draw in drawings().DRAWINGS.items():
        kept = (DOCS / "img" / name).read_text(encoding="utf-8")
        assert draw() == kept, "run python docs/img/draw.py"
