"""What is remembered of a call while it lasts: transcript, turns, a time line. PURE; times are its seconds.

The record, the picture of the call and the metrics are made of it afterwards.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from bot.call.stopwatch import Stopwatch

USUAL_MS_PER_CHARACTER = 65


@dataclass(frozen=True, slots=True)
class Cut:
    """The agent was cut off: what was played of an item, what had come, and whether that was the whole."""

    played_ms: int
    received_ms: int
    whole: bool

    def share(self, characters: int) -> float:
        """Of an item's words, those heard. They run ahead of its audio, and come in full after the cut."""
        usual_ms = 0 if self.whole else USUAL_MS_PER_CHARACTER * characters
        return min(1.0, self.played_ms / max(self.received_ms, usual_ms))


@dataclass(slots=True)
class Utterance:
    """One item of the talk."""

    party: Literal["caller", "agent", "destination"]
    item_id: str
    text: str
    at_s: float
    cut: Cut | None = None
    aside: bool = False  # the caller did not hear it

    def as_dict(self) -> dict[str, Any]:
        """``estimated`` words: where a sentence was cut, in words, can only be guessed from the time."""
        words = self.text.split()
        heard = self.cut.share(len(self.text)) if self.cut else 1.0
        text = self.text if heard >= 1 else " ".join(words[: round(len(words) * heard)])
        return {"party": self.party, "text": text, "at_s": self.at_s, "estimated": heard < 1}


@dataclass(slots=True)
class Journal:
    """``timeline`` entries are ``(seconds, kind, detail)``; ``began`` is the loop's time."""

    began: float
    answered: float | None = None
    first_audio_ms: int | None = None  # answer → first agent audio on the wire
    transcript: list[Utterance] = field(default_factory=list)
    timeline: list[tuple[float, str, str]] = field(default_factory=list)
    turn_latencies_ms: list[int] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    responses: int = 0
    interruptions: int = 0
    partial_audio: int = 0  # responses with far less audio than words
    tools: list[dict[str, Any]] = field(default_factory=list)
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    cuts: dict[str, Cut] = field(default_factory=dict)  # by item: its words may come later
    #: Told of what happens, as it happens; of words when they are complete.
    watchers: list[Callable[[dict[str, Any]], None]] = field(default_factory=list)

    def note(self, now: float, kind: str, detail: str = "") -> None:
        at_s = round(now - self.began, 3)
        self.timeline.append((at_s, kind, detail))
        self._tell({"event": kind, "at_s": at_s, "detail": detail})

    def said(
        self, now: float, party: Literal["caller", "agent"], item_id: str, text: str, *, more: bool = False
    ) -> None:
        """The text of an item so far: in full, or (``more``) one more piece of it."""
        at_s = round(now - self.began, 3)
        if not more and text:
            self._tell({"event": f"{party}_said", "at_s": at_s, "detail": text})
        for utterance in reversed(self.transcript):
            if utterance.item_id == item_id:
                utterance.text = utterance.text + text if more else text
                return
        if text:
            self.transcript.append(Utterance(party, item_id, text, at_s, self.cuts.get(item_id)))

    def _tell(self, event: dict[str, Any]) -> None:
        for watcher in tuple(self.watchers):
            watcher(event)

    def cut(self, item_id: str, played_ms: int, received_ms: int, *, whole: bool) -> None:
        """The agent was cut off in this item; ``whole``: all of its audio had come."""
        self.cuts[item_id] = Cut(played_ms, received_ms, whole)
        for utterance in self.transcript:
            if utterance.item_id == item_id:
                utterance.cut = self.cuts[item_id]

    def dialogue(self) -> list[tuple[str, str]]:
        """What caller and agent said so far, as far as it was heard."""
        said = [(one.party, one.as_dict()["text"]) for one in self.transcript if not one.aside]
        return [(party, text) for party, text in said if text]

    def absorb(self, aside: "Journal") -> None:
        """Take in a talk with a destination, which the caller did not hear: its words, and what it cost."""
        for utterance in aside.transcript:
            utterance.aside = True
            if utterance.party == "caller":
                utterance.party = "destination"
        self.transcript = sorted(self.transcript + aside.transcript, key=lambda one: one.at_s)
        self.timeline = sorted(self.timeline + aside.timeline, key=lambda entry: entry[0])
        self.tools += aside.tools
        self.responses += aside.responses
        self.interruptions += aside.interruptions
        self.stopwatch.suspects += aside.stopwatch.suspects
        self.partial_audio += aside.partial_audio
        self.used(aside.usage)

    def used(self, usage: dict[str, Any]) -> None:
        """Add up the token counts of responses; nested ones become ``input_token_details.audio_tokens``."""
        for name, count in _flat(usage):
            self.usage[name] = self.usage.get(name, 0) + count


def _flat(usage: dict[str, Any], prefix: str = "") -> list[tuple[str, int]]:
    counts: list[tuple[str, int]] = []
    for name, value in usage.items():
        if isinstance(value, dict):
            counts += _flat(value, f"{prefix}{name}.")
        elif isinstance(value, int):
            counts.append((prefix + name, value))
    return counts
