"""A call's time line of moments as stretches of time: who spoke, when the gate was closed, who waited. PURE.

In: the row of a call, JSON columns parsed. All times are seconds since the call began.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Moment = tuple[float, str, str]  # seconds, kind, detail: see ``bot.call.journal``


class Span(NamedTuple):
    start: float
    end: float
    text: str = ""


class Mark(NamedTuple):
    at: float
    text: str


@dataclass(frozen=True)
class CallSpans:
    """``…_words`` begin where their speaker did; ``latencies`` reach from the caller's last voice to the
    agent's first; ``suspects`` end with ``barge-in`` or ``resumed``."""

    media: float  # where the recording begins
    end: float
    caller: tuple[Span, ...]
    agent: tuple[Span, ...]
    caller_words: tuple[Mark, ...]
    agent_words: tuple[Mark, ...]
    latencies: tuple[Span, ...]
    gate_closed: tuple[Span, ...]
    suspects: tuple[Span, ...]
    hold: tuple[Span, ...]
    marks: tuple[Mark, ...]


def call_spans(row: dict[str, Any]) -> CallSpans:
    """What ``row["timeline"]`` and ``row["transcript"]`` say, as spans and marks."""
    line: list[Moment] = [(at, kind, detail) for at, kind, detail in row["timeline"] or ()]
    last = line[-1][0] if line else 0.0
    end = max(last, row["ended_at"] - row["started_at"] if row["ended_at"] else 0.0)
    caller = tuple(_between(line, {"caller_started"}, {"caller_stopped"}, end))
    agent = tuple(_between(line, {"agent_audible"}, {"agent_silent"}, end))
    said = row["transcript"] or ()
    return CallSpans(
        media=next((at for at, kind, _ in line if kind == "media"), 0.0),
        end=end,
        caller=caller,
        agent=agent,
        caller_words=tuple(
            Mark(_before(caller, one["at_s"]), one["text"]) for one in said if one["party"] == "caller"
        ),
        agent_words=tuple(
            Mark(_after(agent, one["at_s"]), one["text"] + (" …" if one["estimated"] else ""))
            for one in said
            if one["party"] == "agent"
        ),
        latencies=tuple(_latencies(line, row["turn_latencies_ms"] or ())),
        gate_closed=tuple(_between(line, {"close_gate", "lock"}, {"open_gate"}, end)),
        suspects=tuple(
            Span(at, *_outcome(line[index + 1 :], end))
            for index, (at, kind, _) in enumerate(line)
            if kind == "pause"
        ),
        hold=tuple(_between(line, {"hold"}, {"unhold"}, end)),
        marks=tuple(_marks(line)),
    )


def _between(line: Iterable[Moment], opening: set[str], closing: set[str], end: float) -> Iterator[Span]:
    """From each opening to the next closing; what is open already is not opened again."""
    since: float | None = None
    for at, kind, _ in line:
        if kind in opening and since is None:
            since = at
        elif kind in closing and since is not None:
            yield Span(since, at)
            since = None
    if since is not None:
        yield Span(since, end)


def _before(spans: Sequence[Span], at: float) -> float:
    """Where the words that were understood at ``at`` began: with the last span that began before."""
    return max((span.start for span in spans if span.start < at), default=at)


def _after(spans: Sequence[Span], at: float) -> float:
    """Where the words that arrived at ``at`` are heard: in the span that lasts, or in the next."""
    return next((max(span.start, at) for span in spans if span.end > at), at)


def _latencies(line: Iterable[Moment], latencies_ms: Sequence[int]) -> Iterator[Span]:
    """The conversation measures one whenever the agent becomes audible after the caller has stopped."""
    waiting, left = False, iter(latencies_ms)
    for at, kind, _ in line:
        if kind == "caller_stopped":
            waiting = True
        elif kind == "agent_audible" and waiting:
            waiting = False
            if (ms := next(left, None)) is not None:
                yield Span(at - ms / 1000, at, f"{ms / 1000:.2f} s")


def _outcome(later: Iterable[Moment], end: float) -> tuple[float, str]:
    for at, kind, _ in later:
        if kind in ("resume", "cut"):
            return at, "barge-in" if kind == "cut" else "resumed"
    return end, "suspect"


def _marks(line: Iterable[Moment]) -> Iterator[Mark]:
    for at, kind, detail in line:
        match kind:
            case "answered":
                yield Mark(at, "answered")
            case "tool":
                yield Mark(at, f"{detail}()")
            case "hold":
                yield Mark(at, "hold")
            case "dtmf":
                yield Mark(at, "digit")
            case "leaving":
                yield Mark(at, f"leaving: {detail}")
            case "depart":
                yield Mark(at, "hang-up")
