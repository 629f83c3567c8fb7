"""The bot's log as it grows, told to a person: who said what, and anything that goes wrong."""

import json
import threading
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape

from tests.e2e.bot import Bot

SPEAKERS = {"caller_said": "[bold cyan]caller[/]", "agent_said": "[bold green]agent [/]"}
KNOWN = {"event", "level", "timestamp", "logger", "call_id"}
EVERY_S = 0.1


class Live:
    """``with Live(console, bot): …`` prints from a thread of its own until the block ends."""

    def __init__(self, console: Console, bot: Bot) -> None:
        self._console = console
        self._bot = bot
        self._began: dict[str, datetime] = {}
        self._seen = 0
        self._warned = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> "Live":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._over.wait(EVERY_S):
            self._catch_up()
        self._catch_up()

    def _catch_up(self) -> None:
        assert self._bot.process is not None
        lines = tuple(self._bot.process.lines)
        for line in lines[self._seen :]:
            try:
                self._tell(json.loads(line))
            except ValueError:
                self._console.print(line, markup=False)
        self._seen = len(lines)

    def _tell(self, entry: dict[str, Any]) -> None:
        event, call_id = entry["event"], entry.get("call_id", "")
        at = datetime.fromisoformat(entry["timestamp"])
        began = self._began.setdefault(call_id, at)
        if event == "call_began":
            self._say(0, f"[dim]call {call_id} from {entry['caller']} to {entry['dialled']}[/]")
        elif event in SPEAKERS:
            self._say((at - began).total_seconds(), f"{SPEAKERS[event]} {escape(entry['transcript'])}")
        elif event.startswith("OpenAI function call detected"):
            self._say((at - began).total_seconds(), f"[magenta]{escape(event)}[/]")
        elif event == "call_ended":
            why = escape(f"ended by the {entry['by']}: {entry['reason']}")
            self._say((at - began).total_seconds(), f"[dim]{why}[/]")
        elif entry["level"] in ("warning", "error", "critical") and event != self._warned:
            self._warned = event  # a row of the same tells nothing new
            details = " ".join(f"{name}={value}" for name, value in entry.items() if name not in KNOWN)
            warning = escape(f"{event} {details}")
            self._console.print(f"         [yellow]{entry['level']}[/] {warning}", soft_wrap=True)

    def _say(self, seconds: float, text: str) -> None:
        self._console.print(f"[dim]{seconds:6.1f} s[/] {text}", soft_wrap=True)
