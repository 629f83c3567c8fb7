"""A finished call on one time line: both waveforms, the words, gate, interruptions, tools. PURE drawing.

In: the stereo recording and the call's row with its JSON columns parsed. Out: a PNG of 1600×900. Needs the
extra ``pictures``.
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
SIZE_INCHES, DPI = (16, 9), 100
COLUMNS = 1500  # of the waveforms; about one a pixel
#: Width of a letter and of the drawing, in pixels: words are wrapped to the room they have.
LETTER_PX, DRAWING_PX = 8.3, 1430
LINES, LEAST_LETTERS = 5, 9
LEGEND = (
    "arrows: the caller's last voice → the agent's first sound;  bands: turns as model and playout saw them"
)


def draw(recording: Path, row: dict[str, Any], out: Path) -> None:
    """Write ``out``. Raises OSError or wave.Error when ``recording`` cannot be read."""
    spans = call_spans(row)
    caller, agent, rate_hz = _read(recording)
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, layout=None)
    rows = figure.subplots(5, 1, sharex=True, height_ratios=(1.5, 2.6, 2.1, 2.6, 1.9))
    figure.subplots_adjust(left=0.065, right=0.985, top=0.925, bottom=0.06, hspace=0.04)
    length = max(spans.end, spans.media + len(caller) / rate_hz)
    margin = length * 0.012
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
    figure.text(0.065, 0.96, _title(row, spans), fontsize=13, weight="bold")
    figure.text(0.985, 0.935, LEGEND, fontsize=9.5, color=QUIET, ha="right")
    figure.savefig(out)


def _read(recording: Path) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    """Both tracks as -1…1, and samples a second."""
    with wave.open(str(recording)) as file:
        rate_hz = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
    scaled = samples.astype(np.float32) / np.float32(32768)
    return scaled[:, 0], scaled[:, -1], rate_hz


def _title(row: dict[str, Any], spans: CallSpans) -> str:
    who = row["caller_name"] or row["caller_number"] or "anonymous"
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
    step = max(len(samples) // COLUMNS, 1)
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
    """Each sentence where it begins, wrapped into the room up to the next one."""
    axes.set_ylim(0, 1)
    letters_per_s = DRAWING_PX / LETTER_PX / length
    for index, one in enumerate(words):
        until = words[index + 1].at if index + 1 < len(words) else length
        letters = int((until - one.at) * letters_per_s) - 2
        if letters < LEAST_LETTERS:
            if index + 1 < len(words):
                continue
            letters = LEAST_LETTERS
        text = "\n".join(textwrap.wrap(one.text, letters, max_lines=LINES, placeholder=" …"))
        axes.text(
            *(one.at, 0.06 if above else 0.94, text),
            color=colour,
            fontsize=10.5,
            va="bottom" if above else "top",
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
            xy=(suspect.end, 0.28),
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
            xy=(mark.at, 0.28 if mark.text.endswith("()") else 0.1),
            xytext=(-4 if late else 4, 0),
            textcoords="offset points",
            color=colour,
            fontsize=10,
            ha="right" if late else "left",
            va="center",
        )


def _inside(axes: Axes, span: Span, y: float, text: str, colour: str) -> None:
    left, right = axes.get_xlim()
    if (span.end - span.start) / (right - left) * DRAWING_PX > len(text) * LETTER_PX:
        axes.text((span.start + span.end) / 2, y, text, color=colour, fontsize=9, ha="center", va="center")


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
    axes.xaxis.set_major_locator(MaxNLocator(nbins=20, steps=[1, 2, 5, 10]))
    axes.set_xlabel("seconds since the call began", fontsize=10, color=QUIET, labelpad=2)
