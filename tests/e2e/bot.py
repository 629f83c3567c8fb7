"""The bot as an operator runs it: ``voicebot run`` as a process of its own, with a configuration file.

``Model`` is the embedded model as a process, so that several bots and tests can share one.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.asterisk import PROJECT, Asterisk, HarnessError, free_port, wait_for

READY_SECONDS = 40.0
STOP_SECONDS = 15.0


class Process:
    """A child whose stderr is kept, line by line, and that is ended by its id."""

    def __init__(self, arguments: list[str], env: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, *arguments],
            cwd=PROJECT,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    def first_line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        """As a crash would."""
        self._process.kill()
        self._process.wait()

    def wait(self, timeout: float) -> int:
        return self._process.wait(timeout)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(2)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line.rstrip())


class Model:
    """``with Model() as model: model.url``: the embedded model, scripted unless real speech is wanted."""

    def __init__(self, *, scripted: bool = True, arguments: list[str] | None = None, port: int = 0) -> None:
        self.url = ""
        self._arguments = ["-m", "bot.offline", "--port", str(port), *(["--scripted"] if scripted else [])]
        self._arguments += arguments or []
        self.process: Process | None = None

    def __enter__(self) -> Model:
        self.process = Process(self._arguments)
        self.url = self.process.first_line()
        if not self.url:
            self.process.close()
            raise HarnessError("the embedded model did not start:\n" + "\n".join(self.process.lines[-20:]))
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.close()


class Bot:
    """``with Bot(asterisk, model_url, calls={"max_calls": 2}) as bot``: keywords are configuration blocks."""

    def __init__(
        self, asterisk: Asterisk, model_url: str, /, *, env: dict[str, str] | None = None, **blocks: Any
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="voicebot-bot-")
        self.folder = Path(self._temporary.name)
        self.web_port = free_port()
        self.database = self.folder / "calls.sqlite"
        self._env = {"ARI_PASSWORD": asterisk.ari_password, **(env or {})}
        first = free_port()
        self.settings: dict[str, Any] = {
            "provider_name": "offline",
            "asterisk": {"url": asterisk.ari_url},
            "media": {"rtp": {"ports": f"{first}-{first + 999}"}},
            "offline": {"url": model_url},
            "records": {"database": str(self.database), "recordings": str(self.folder / "recordings")},
            "message": {"folder": str(self.folder / "messages")},
            "web": {"port": self.web_port},
            "logging": {"level": "DEBUG", "format": "json", "transcripts": True},
        }
        for name, block in blocks.items():
            merge(self.settings, {name: block})
        self.process: Process | None = None

    def __enter__(self) -> Bot:
        self.start()
        try:
            wait_for("the bot to be ready", self._ready, READY_SECONDS)
        except BaseException as error:
            self.__exit__()
            raise HarnessError(f"{error}\n{self.log_tail()}") from error
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.close()
        self._temporary.cleanup()

    def start(self) -> None:
        config = self.folder / "config.yaml"
        config.write_text(yaml.safe_dump(self.settings))
        self.process = Process(["-m", "bot", "run", "--config", str(config)], self._env)

    # -- questions

    @property
    def log(self) -> list[dict[str, Any]]:
        """The log so far, as dictionaries; what is no JSON is kept as ``{"event": line}``."""
        assert self.process is not None
        return [_parsed(line) for line in tuple(self.process.lines)]

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line.get("event") == event]

    def wait_logged(self, event: str, timeout: float = 10.0, count: int = 1) -> dict[str, Any]:
        return wait_for(
            f"{count} of {event!r} in the log", lambda: self.logged(event)[count - 1 : count], timeout, 0.05
        )[0]

    def calls(self) -> list[dict[str, Any]]:
        """Rows of the store, oldest first, JSON columns parsed."""
        with sqlite3.connect(self.database) as database:
            database.row_factory = sqlite3.Row
            rows = database.execute("SELECT * FROM calls ORDER BY started_at").fetchall()
        return [{key: _json(row[key]) for key in row.keys()} for row in rows]  # noqa: SIM118

    def wait_ended(self, count: int = 1, timeout: float = 20.0) -> list[dict[str, Any]]:
        """Rows, once ``count`` calls have ended."""

        def ended() -> list[dict[str, Any]]:
            rows = [row for row in self.calls() if row["ended_at"] is not None]
            return rows if len(rows) >= count else []

        return wait_for(f"{count} ended calls", ended, timeout, 0.05)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str) -> float:
        """The value of one sample of ``/metrics``, named with its labels; 0 when it is not there."""
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[-1])
        return 0.0

    def descriptors(self) -> int:
        assert self.process is not None
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def log_tail(self, lines: int = 40) -> str:
        assert self.process is not None
        return "\n".join(self.process.lines[-lines:])

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.returncode is not None:
            raise HarnessError(f"the bot ended with code {self.process.returncode}")
        try:
            return self.get("/readyz")[0] == 200
        except (urllib.error.URLError, ConnectionError):
            return False


def merge(base: dict[str, Any], extra: dict[str, Any]) -> None:
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = value


def settled(asterisk: Asterisk, timeout: float = 10.0) -> None:
    """Asterisk holds no channel and no bridge any more."""
    try:
        wait_for(
            "Asterisk to be empty", lambda: not asterisk.channels() and not asterisk.bridges(), timeout, 0.05
        )
    except HarnessError as error:
        left = [f"{channel['name']} {channel['state']} {channel['id']}" for channel in asterisk.channels()]
        left += [f"bridge {bridge['id']} of {bridge['channels']}" for bridge in asterisk.bridges()]
        raise HarnessError(f"{error}; left: {', '.join(left)}") from None


def _parsed(line: str) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except ValueError:
        return {"event": line}
    return parsed if isinstance(parsed, dict) else {"event": line}


def _json(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in {"[", "{"}:
        return json.loads(value)
    return value
