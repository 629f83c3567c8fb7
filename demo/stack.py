"""Setting up, each step with its bar: packages, Asterisk, the model, the bot."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from bot.config.load import Loaded
from tests.e2e.asterisk import PROJECT, Asterisk, HarnessError, cache_folder
from tests.e2e.bot import Bot, Model, merge

WIDTH = 50
#: Lines in which deploy/asterisk-root.sh tells how far it is, from the first package to the last.
BUILD_LINES = 17
#: Blocks of config.yaml that hold here as they do for the service.
KEPT = (
    *("openai", "vad", "barge_in", "echo", "calls", "idle", "agents", "destinations", "farewell"),
    "modalities",
)
#: Blocks of which this stack has its own. What is in neither is left out, and the start says so.
OWN = ("provider_name", "offline", "asterisk", "media", "records", "web", "logging")


class Steps:
    """The bars of a setting-up: ``with steps("the bot"): …`` is one of them."""

    def __init__(self, console: Console) -> None:
        columns = (
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn(f"{{task.description:<{WIDTH}}}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=console)
        self.say = console.print

    def __enter__(self) -> "Steps":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @contextmanager
    def __call__(self, what: str, total: float | None = None) -> Iterator["Step"]:
        step = Step(self._progress, self._progress.add_task(what, total=total))
        yield step
        step.finish()


@dataclass(frozen=True)
class Step:
    progress: Progress
    task: TaskID

    def reach(self, share: float | None, detail: str = "") -> None:
        """``share`` of the whole is done; ``None``: nobody can say how much."""
        if share is not None:
            self.progress.update(self.task, total=1, completed=share)
        if detail:
            self.progress.update(self.task, description=detail[:WIDTH])

    def finish(self) -> None:
        self.reach(1)


def find_asterisk(steps: Steps, *packages: str) -> Path:
    """The root of an Asterisk; it, and Debian's ``packages``, are installed when missing."""
    script = "system.sh" if packages else "asterisk-root.sh"
    command: list[str | Path] = ["sh", PROJECT / "deploy" / script, cache_folder(), *packages]
    said: list[str] = []
    with steps("looking for Asterisk") as step:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stdout is not None and child.stderr is not None
        with child:
            for line in child.stderr:
                said.append(line.strip())
                built = sum("packages (" in one for one in said)
                step.reach(built / BUILD_LINES if built else None, said[-1])
            root = child.stdout.read().strip()
        if child.returncode:
            raise HarnessError("\n".join(said[-4:]))
        step.reach(1, f"Asterisk {'in PATH' if root == '/' else 'in its own root file system'}")
    return Path(root)


def start_bot(
    steps: Steps, stack: ExitStack, asterisk: Asterisk, loaded: Loaded, config: Path, **blocks: Any
) -> Bot:
    """The model (unless it is a service elsewhere) and the bot; both end with ``stack``."""
    model_url = loaded.settings.offline.url
    if loaded.provider == "offline" and not model_url:
        with steps("the embedded model: ears and voice"):
            model_url = stack.enter_context(Model(scripted=False)).url
    kept = yaml.safe_load(config.read_text()) or {}
    settings = {name: kept[name] for name in KEPT if kept.get(name)}
    settings["logging"] = {"level": "INFO"}
    settings["provider_name"] = loaded.provider
    merge(settings, blocks)
    if left_out := [name for name in kept if kept[name] and name not in (*KEPT, *OWN)]:
        steps.say(f"not used here: {', '.join(left_out)} of {config.name}")
    with steps(f"the bot, with {'OpenAI' if loaded.provider == 'openai' else 'the embedded model'}"):
        try:
            return stack.enter_context(Bot(asterisk, model_url, **settings))
        except HarnessError as error:
            # Where the bot itself said why it ended, in a line that is no log entry, that is all to say.
            why = [line for line in str(error).splitlines()[1:] if not line.startswith("{")]
            raise HarnessError("\n".join(why) or str(error)) from None
