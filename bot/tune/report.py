"""What a replay found, as tables for the terminal."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bot.audio.gate import FLUTTER
from bot.tune.levels import Levels
from bot.tune.recording import FRAMES_A_SECOND, Recording
from bot.tune.replay import Outcome
from bot.tune.score import Choice, Score
from bot.tune.spans import Span

NO_ECHO_DB = -50
LISTED = 8
COLUMNS = (
    "speech\nmissed",
    "false\nvoice",
    "suspects\n(false)",
    "commits\n(false)",
    "barge-ins\nlost/uncut",
    "pause\nms",
    "gate\n/min",
    "cost",
)


def report(
    console: Console,
    recording: Recording,
    levels: Levels,
    outcomes: list[Outcome],
    scores: list[Score],
    key: str,
    choice: Choice | None,
) -> None:
    """``key`` and ``choice`` are those of a sweep; without one, more is told of the only outcome."""
    for line in _levels(recording, levels):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(_table(outcomes, scores, key, choice))
    if choice is None:
        for line in _details(outcomes[0], scores[0]):
            console.print(line, highlight=False, soft_wrap=True)
    else:
        chosen = f"{key}={outcomes[choice.chosen].label}"
        console.print(f"choose {chosen}: {choice.why}", highlight=False, soft_wrap=True)


def _levels(recording: Recording, levels: Levels) -> list[str]:
    tracks = "the caller alone" if recording.agent is None else "caller left, agent right"
    lines = [f"{recording.seconds:.1f} s, {tracks}"]
    speech = "no speech found"
    if levels.speech is not None:
        low, middle, high = levels.speech
        speech = f"caller's speech {middle:.0f} (10 % of its frames below {low:.0f}, 10 % above {high:.0f})"
    lines.append(f"RMS: noise {levels.noise:.0f}, {speech}")
    if levels.agent is not None and levels.echo_db is not None:
        echo = "no echo"
        if levels.echo_db > NO_ECHO_DB:
            echo = f"echo {levels.echo_db:.0f} dB, {levels.residual_db:.0f} dB after the canceller"
        lines.append(f"agent {levels.agent:.0f}; in the caller's track while only he speaks: {echo}")
    return lines


def _table(outcomes: list[Outcome], scores: list[Score], key: str, choice: Choice | None) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(key.replace("_", "_\n").replace(".", ".\n") or "settings", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for n, (outcome, one) in enumerate(zip(outcomes, scores, strict=True)):
        chosen = choice is not None and n == choice.chosen
        table.add_row(
            ("→ " if chosen else "") + (outcome.label or "as given"),
            f"{one.missed_pct:.1f} %",
            f"{one.false_pct:.1f} %",
            f"{one.suspects} ({one.false_suspects})",
            f"{one.commits} ({one.false_commits})",
            f"{one.lost}/{one.uncut} of {one.interruptions}",
            "–" if one.pause_ms is None else f"{one.pause_ms:.0f}",
            f"{one.transitions_a_minute:.0f}" + (" !" if one.transitions_a_minute > FLUTTER else ""),
            f"{one.cost:.1f}",
            style="bold" if chosen else "",
        )
    return table


def _details(outcome: Outcome, one: Score) -> list[str]:
    lines = []
    if one.transitions_a_minute > FLUTTER:
        lines.append(f"the gate flutters: {outcome.transitions} transitions, more than {FLUTTER} a minute")
    lines += _listed("missed, not heard for half of it or more", one.missed)
    lines += _listed("false, a voice where none is", one.false)
    lines += _moments("suspects", outcome.suspects)
    lines += _moments("commits", outcome.commits)
    return lines


def _listed(what: str, stretches: list[Span]) -> list[str]:
    if not stretches:
        return []
    longest = sorted(sorted(stretches, key=lambda span: span[0] - span[1])[:LISTED])
    shown = ", ".join(f"{a / FRAMES_A_SECOND:.2f}–{b / FRAMES_A_SECOND:.2f} s" for a, b in longest)
    more = f", the longest {LISTED}" if len(stretches) > LISTED else ""
    return [f"{what} ({len(stretches)}{more}): {shown}"]


def _moments(what: str, frames: tuple[int, ...]) -> list[str]:
    if not frames:
        return []
    shown = ", ".join(f"{n / FRAMES_A_SECOND:.2f}" for n in frames[:LISTED])
    return [f"{what} at {shown}{' …' if len(frames) > LISTED else ''} s"]
