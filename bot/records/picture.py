"""A finished call on one time line: both waveforms, the words, gate, interruptions, tools. PURE drawing.

In: the stereo recording and the call's row with its JSON columns parsed. Out: a PNG of 1600×900, wider when
the call is longer than a minute. Needs the extra ``pictures``.
"""

import textwrap
import wave
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bot.records.spans import CallSpans, Mark, Span, call_spans

CALLER, AGENT, GATE, SUSPECT, TOOL, QUIET = "#1f77b4", "#2e8b57", "#d9dde3", "#e08a00", "#8e44ad", "#5f6b7a"
HEIGHT_PX, LEAST_PX, MOST_PX, PX_A_SECOND, DPI = 900, 1600, 20_000, 25, 100
LEFT_PX, RIGHT_PX = 105, 24  # margins
#: Words are wrapped to the room they have; a letter takes about this much of it.
LETTER_PX, LINES, LEAST_LETTERS, LAST_LETTERS = 8.3, 5, 9, 16
TICK_PX = 75
LEGEND = (
    "arrows: the caller's last voice → the agent's first sound;  bands: turns as model and playout saw them"
)


def draw(recording: Path, row: dict[str, Any], out: Path) -> None:
    """Write ``out``. Raises OSError or wave.Error when ``recording`` cannot be read."""
    spans = call_spans(row)
    caller, agent, rate_hz = _read(recording)
    length = max(spans.end, spans.media + len(caller) / rate_hz, 1.0)
    width = min(max(LEAST_PX, round(PX_A_SECOND * length)), MOST_PX)
    figure = Figure(figsize=(width / DPI, HEIGHT_PX / DPI), dpi=DPI)
    rows = figure.subplots(5, 1, sharex=True, height_ratios=(1.5, 2.6, 2.1, 2.6, 1.9))
    left, right = LEFT_PX / width, 1 - RIGHT_PX / width
    figure.subplots_adjust(left=left, right=right, top=0.925, bottom=0.06, hspace=0.04)
    margin = length / width * RIGHT_PX / 2
    for axes in rows:
        axes.set_xlim(-margin, length + margin)
        axes.set_yticks(())
        axes.spines[:].set_visible(False)
        axes.tick_params(axis="x", length=0)
    _words(rows[0], spans.caller_words, CALLER, length, above=True)
    _voice(rows[1], caller, rate_hz, spans.media, spans.caller, CALLER, "caller")
    _line(rows[2], spans)
    _voice(rows[3], agent, rate_hz, spans.media, spans.agent, AGENT, "agent")
    _words(rows[4], spans.agent_words, AGENT, length, above=False)
    _across(rows[1:4], spans)
    _seconds(rows[4])
    figure.text(left, 0.96, _title(row, spans), fontsize=13, weight="bold", parse_math=False)
    figure.text(left, 0.935, LEGEND, fontsize=9.5, color=QUIET)
    figure.savefig(out)


def _read(recording: Path) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    """Both tracks as -1…1, and samples a second."""
    with wave.open(str(recording)) as file:
        rate_hz = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
    scaled = samples.astype(np.float32) / np.float32(32768)
    return scaled[:, 0], scaled[:, -1], rate_hz


def _title(row: dict[str, Any], spans: CallSpans) -> str:
    who = " ".join((row["caller_name"] or row["caller_number"] or "anonymous").split())
    how = f"ended by the {row['ended_by']}: {row['reason']}"
    return f"{who} → {row['dialled_number']}    {spans.end:.1f} s    {how}    {row['id']}"


def _voice(
    axes: Axes,
    samples: NDArray[np.float32],
    rate_hz: int,
    begins: float,
    turns: Iterable[Span],
    colour: str,
    name: str,
) -> None:
    """The envelope of a track, and its party's turns as bands behind it."""
    step = max(round(rate_hz / _px_a_second(axes)), 1)
    blocks = samples[: len(samples) // step * step].reshape(-1, step)
    at = begins + np.arange(len(blocks)) * step / rate_hz
    peak = max(float(np.abs(samples).max(initial=0)), 0.05)
    axes.set_ylim(-1.08, 1.08)
    for turn in turns:
        axes.axvspan(turn.start, turn.end, color=colour, alpha=0.12, linewidth=0)
    axes.axhline(0, color=colour, alpha=0.5, linewidth=0.6)
    axes.fill_between(at, blocks.min(axis=1) / peak, blocks.max(axis=1) / peak, color=colour, linewidth=0)
    axes.set_ylabel(name, color=colour, fontsize=13, weight="bold", rotation=0, ha="right", va="center")


def _words(axes: Axes, words: Sequence[Mark], colour: str, length: float, *, above: bool) -> None:
    """Each sentence where it begins, wrapped into the room up to the next; without room, none."""
    axes.set_ylim(0, 1)
    for index, one in enumerate(words):
        last = index + 1 == len(words)
        room = (length if last else words[index + 1].at) - one.at
        letters = int(room * _px_a_second(axes) / LETTER_PX) - 1
        if letters < LEAST_LETTERS and not last:
            continue
        at_edge = last and letters < LAST_LETTERS
        letters = LAST_LETTERS if at_edge else letters
        text = "\n".join(textwrap.wrap(one.text, letters, max_lines=LINES, placeholder=" …"))
        axes.text(
            *(length if at_edge else one.at, 0.06 if above else 0.94, text),
            color=colour,
            fontsize=10.5,
            va="bottom" if above else "top",
            ha="right" if at_edge else "left",
            multialignment="left",
            linespacing=1.25,
            parse_math=False,
        )


def _line(axes: Axes, spans: CallSpans) -> None:
    """The middle: the gate as a band, above it who waited for whom, below it tools and marks."""
    axes.set_ylim(0, 1)
    axes.set_ylabel("gate", color=QUIET, fontsize=11, rotation=0, ha="right", va="center")
    axes.axhspan(0.42, 0.58, color=GATE, alpha=0.3, linewidth=0)
    for closed in spans.gate_closed:
        axes.barh(0.5, closed.end - closed.start, 0.16, closed.start, color="#9aa5b1", linewidth=0)
        _inside(axes, closed, 0.5, "closed", "white")
    for suspect in spans.suspects:
        axes.barh(0.5, suspect.end - suspect.start, 0.16, suspect.start, color=SUSPECT, linewidth=0)
        axes.annotate(
            f"suspect → {suspect.text}",
            xy=(suspect.end, 0.33),
            xytext=(4, 0),
            textcoords="offset points",
            color=SUSPECT,
            fontsize=10,
            va="center",
        )
    for latency in spans.latencies:
        axes.annotate(
            "",
            xy=(latency.end, 0.72),
            xytext=(latency.start, 0.72),
            arrowprops={"arrowstyle": "->", "color": "black", "shrinkA": 0, "shrinkB": 0, "linewidth": 1.3},
        )
        middle = (latency.start + latency.end) / 2
        axes.text(middle, 0.78, latency.text, fontsize=10.5, weight="bold", ha="center", va="bottom")
    for mark in spans.marks:
        colour = TOOL if mark.text.endswith("()") else QUIET
        late = mark.at > spans.end * 0.8
        axes.annotate(
            mark.text,
            xy=(mark.at, 0.2 if mark.text.endswith("()") else 0.07),
            xytext=(-4 if late else 4, 0),
            textcoords="offset points",
            color=colour,
            fontsize=10,
            ha="right" if late else "left",
            va="center",
        )


def _inside(axes: Axes, span: Span, y: float, text: str, colour: str) -> None:
    if (span.end - span.start) * _px_a_second(axes) > len(text) * LETTER_PX:
        axes.text((span.start + span.end) / 2, y, text, color=colour, fontsize=9, ha="center", va="center")


def _px_a_second(axes: Axes) -> float:
    left, right = axes.get_xlim()
    return float(axes.get_window_extent().width / (right - left))


def _across(rows: Iterable[Axes], spans: CallSpans) -> None:
    """What concerns both parties, through all rows."""
    for axes in rows:
        for hold in spans.hold:
            axes.axvspan(hold.start, hold.end, facecolor="none", edgecolor=QUIET, hatch="//", alpha=0.4)
        for suspect in spans.suspects:
            axes.axvspan(suspect.start, suspect.end, color=SUSPECT, alpha=0.18, linewidth=0)
            if suspect.text == "barge-in":
                axes.axvline(suspect.end, color=SUSPECT, linewidth=1.5)
        for mark in spans.marks:
            tool = mark.text.endswith("()")
            axes.axvline(
                mark.at, color=TOOL if tool else QUIET, linewidth=1.2 if tool else 0.8, linestyle="--"
            )


def _seconds(axes: Axes) -> None:
    axes.spines["bottom"].set_visible(True)
    axes.tick_params(axis="x", length=4, labelsize=10)
    axes.xaxis.set_major_locator(
        MaxNLocator(nbins=int(axes.get_window_extent().width / TICK_PX), steps=[1, 2, 5, 10])
    )
    axes.set_xlabel("seconds since the call began", fontsize=10, color=QUIET, labelpad=2)
