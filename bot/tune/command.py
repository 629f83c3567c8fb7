"""The command itself: reads, replays under a progress bar, reports, draws."""

from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from bot.audio.echo import EchoCanceller, EchoParams
from bot.config.settings import Settings
from bot.errors import ResourceError
from bot.tune.cancelled import cancel
from bot.tune.levels import measure
from bot.tune.overrides import variants
from bot.tune.recording import read
from bot.tune.reference import judge
from bot.tune.replay import agent_turns, replay
from bot.tune.report import report
from bot.tune.score import choose, score


def run(file: Path, settings: Settings, sets: list[str], sweep: str | None, out: Path) -> None:
    """Print how ``file`` is heard with ``settings`` and ``sets``, and draw it to ``out`` (PNG).

    ``sweep`` (``vad.energy_threshold=100,200,400``) compares values instead and says which it would choose.
    Raises ConfigError for a setting that does not fit, ResourceError for a file that cannot be used.
    """
    chosen_from = variants(settings, sets, sweep)
    try:
        from bot.tune.picture import Scene, draw
    except ImportError as error:
        raise ResourceError(
            "pictures need matplotlib", remedy="install the extra pictures (docs/install.md)"
        ) from error
    recording = read(file)
    console = Console()
    with Progress(console=console, transient=True) as progress:
        total = (2 + len(chosen_from)) * recording.seconds
        task = progress.add_task(f"replaying {recording.seconds:.0f} s", total=total)

        def advance() -> None:
            progress.advance(task)

        canceller = EchoCanceller(EchoParams())
        cancelled = cancel(recording, canceller, advance)
        second_pass = cancel(recording, canceller, advance)
        reference = judge(second_pass)
        agent = agent_turns(recording, reference)
        outcomes = [replay(label, recording, cancelled, agent, one, advance) for label, one in chosen_from]
    scores = [score(outcome, reference, agent) for outcome in outcomes]
    choice = choose([outcome.label for outcome in outcomes], scores) if sweep else None
    key = sweep.partition("=")[0].strip() if sweep else ""
    report(
        console, recording, measure(recording, second_pass, reference, agent), outcomes, scores, key, choice
    )
    try:
        draw(Scene(file.name, recording, reference, agent, outcomes, scores, key, choice), out)
    except OSError as error:
        raise ResourceError(
            f"{out}: cannot be written ({error.strerror})", remedy="name another with --out"
        ) from error
    console.print(f"picture: {out}", highlight=False, soft_wrap=True)
