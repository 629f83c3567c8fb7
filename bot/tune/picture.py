"""Replays on one time line: caller and agent, and for each setting VAD, gate and barge-in. PURE drawing.

A PNG, 1600 pixels wide, wider when the recording is longer than a minute. Needs the extra ``pictures``.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bot.records.picture import AGENT, CALLER, QUIET, SUSPECT
from bot.tune.recording import FRAMES_A_SECOND, Recording, Track
from bot.tune.reference import Reference
from bot.tune.replay import Outcome
from bot.tune.score import Choice, Score
from bot.tune.spans import Flags, spans

LEAST_PX, MOST_PX, PX_A_SECOND, DPI = 1600, 20_000, 25, 100
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 190, 24, 62, 46
WAVE_PX, STRIPS_PX, DETAILED_PX = 130, 64, 130
HEARD, MISSED, FALSE, SHUT = "#4c9f70", "#c0392b", "#8e44ad", "#9aa5b1"
VAD_AT, GATE_AT, BARGE_IN_AT = 0.8, 0.47, 0.15
LEGEND = (
    (CALLER, "speech, says the judge"),
    (HEARD, "heard"),
    (MISSED, "missed"),
    (FALSE, "false"),
    (SHUT, "gate closed"),
    (SUSPECT, "gate held; ▲ suspect"),
    (MISSED, "▼ commit"),
)
TICK_PX = 75


class Scene(NamedTuple):
    """All that is drawn; ``key`` and ``choice`` are those of a sweep."""

    title: str
    recording: Recording
    reference: Reference
    agent: Flags
    outcomes: list[Outcome]
    scores: list[Score]
    key: str
    choice: Choice | None


def draw(scene: Scene, out: Path) -> None:
    """Write ``out``. Raises OSError when it cannot be written."""
    seconds = scene.recording.seconds
    width = min(max(LEAST_PX, round(PX_A_SECOND * seconds)), MOST_PX)
    strips = DETAILED_PX if scene.choice is None else STRIPS_PX
    heights = [WAVE_PX, *[strips] * len(scene.outcomes)]
    heights += [] if scene.recording.agent is None else [WAVE_PX]
    height = sum(heights) + TOP_PX + BOTTOM_PX
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    rows = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    figure.subplots_adjust(
        LEFT_PX / width, BOTTOM_PX / height, 1 - RIGHT_PX / width, 1 - TOP_PX / height, hspace=0.06
    )
    for axes in rows:
        axes.set_xlim(0, seconds)
        axes.set_yticks(())
        axes.spines[:].set_visible(False)
        axes.tick_params(axis="x", length=0)
    _voice(rows[0], scene.recording.caller, spans(scene.reference.speech), CALLER, "caller")
    for n, axes in enumerate(rows[1 : 1 + len(scene.outcomes)]):
        _strips(axes, scene, n)
    if scene.recording.agent is not None:
        _voice(rows[-1], scene.recording.agent, spans(scene.agent), AGENT, "agent")
    _seconds(rows[-1])
    _head(figure, scene, width, height)
    figure.savefig(out, format="png")


def _voice(axes: Axes, track: Track, shaded: Iterable[tuple[int, int]], colour: str, name: str) -> None:
    samples = track.reshape(-1).astype(float)
    step = max(round(8000 * (axes.get_xlim()[1]) / axes.get_window_extent().width), 1)
    blocks = samples[: len(samples) // step * step].reshape(-1, step)
    peak = max(float(abs(samples).max()), 1000.0)
    at = [n * step / 8000 for n in range(len(blocks))]
    axes.set_ylim(-1.08, 1.08)
    _bars(axes, shaded, -1.08, 2.16, colour, alpha=0.15)
    axes.fill_between(at, blocks.min(axis=1) / peak, blocks.max(axis=1) / peak, color=colour, linewidth=0)
    _label(axes, name, colour)


def _strips(axes: Axes, scene: Scene, n: int) -> None:
    outcome, reference = scene.outcomes[n], scene.reference
    axes.set_ylim(0, 1)
    _bars(axes, spans(outcome.voiced & reference.about), VAD_AT - 0.12, 0.24, HEARD)
    _bars(axes, spans(~outcome.voiced & reference.speech), VAD_AT - 0.12, 0.24, MISSED)
    _bars(axes, spans(outcome.voiced & ~reference.about), VAD_AT - 0.12, 0.24, FALSE)
    _bars(axes, spans(outcome.gate == "closed"), GATE_AT - 0.08, 0.16, SHUT)
    _bars(axes, spans(outcome.gate == "held"), GATE_AT - 0.08, 0.16, SUSPECT)
    for frames, mark, colour in ((outcome.suspects, "^", SUSPECT), (outcome.commits, "v", MISSED)):
        at = [frame / FRAMES_A_SECOND for frame in frames]
        axes.plot(at, [BARGE_IN_AT] * len(at), mark, color=colour, markersize=7, clip_on=False)
    axes.axhline(0.0, color=QUIET, alpha=0.3, linewidth=0.6)
    if scene.choice is None:
        for height, name in ((VAD_AT, "VAD"), (GATE_AT, "gate"), (BARGE_IN_AT, "barge-in")):
            axes.text(-0.006, height, name, transform=axes.transAxes, ha="right", va="center", color=QUIET)
    else:
        chosen = n == scene.choice.chosen
        one = scene.scores[n]
        told = f"missed {one.missed_pct:.0f} %, false {one.false_pct:.0f} %\ncost {one.cost:.1f}"
        arrow = "→ " if chosen else ""
        _label(axes, f"{arrow}{outcome.label}\n{told}", "black" if chosen else QUIET, 9.5)
        if chosen:
            axes.set_facecolor("#fff6df")


def _bars(
    axes: Axes,
    stretches: Iterable[tuple[int, int]],
    bottom: float,
    height: float,
    colour: str,
    alpha: float = 1,
) -> None:
    at = [(a / FRAMES_A_SECOND, (b - a) / FRAMES_A_SECOND) for a, b in stretches]
    axes.broken_barh(at, (bottom, height), color=colour, alpha=alpha, linewidth=0)


def _label(axes: Axes, text: str, colour: str, size: float = 12) -> None:
    axes.set_ylabel(text, color=colour, fontsize=size, weight="bold", rotation=0, ha="right", va="center")


def _seconds(axes: Axes) -> None:
    ticks = int(axes.get_window_extent().width / TICK_PX)
    axes.tick_params(axis="x", length=4)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=ticks, steps=[1, 2, 5, 10]))
    axes.set_xlabel("seconds", color=QUIET, labelpad=2)


def _head(figure: Figure, scene: Scene, width: int, height: int) -> None:
    what = f"{scene.title}, {scene.recording.seconds:.1f} s"
    if scene.choice is not None:
        what += f": choose {scene.key} = {scene.outcomes[scene.choice.chosen].label}"
    figure.text(LEFT_PX / width, 1 - 24 / height, what, fontsize=13, weight="bold", parse_math=False)
    at = LEFT_PX
    for colour, text in LEGEND:
        figure.text(at / width, 1 - 48 / height, f"■ {text}", color=colour, fontsize=9.5)
        at += 30 + round(6.8 * len(text))
