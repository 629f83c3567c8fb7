"""How long the parties of a call waited for each other: turns, and interruptions. PURE; moments are seconds.

The conversation tells of the moments as they come; what was measured between them is read afterwards, for the
record and the metrics.
"""

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Turn:
    """The caller's last voiced frame → the first packet of the answer, in its parts, milliseconds.

    ``end_of_speech`` ends when the server says that the caller has stopped; ``silence`` of it was configured
    (0 when the server decides by other means). ``model`` ends with the first audio of the answer, function
    calls in between included; ``decode`` when that is queued; ``pacing`` when its first packet has left.
    """

    end_of_speech: float
    silence: float
    model: float
    decode: float
    pacing: float

    @property
    def total(self) -> float:
        return self.end_of_speech + self.model + self.decode + self.pacing

    @property
    def own(self) -> float:
        """The bot's and the network's share: all but the model and the silence that it was told to wait for.

        What the local detector heard as voice and the server did not would make it less than nothing.
        """
        waited = max(0.0, self.end_of_speech - self.silence) if self.silence else 0.0
        return waited + self.decode + self.pacing

    def as_dict(self) -> dict[str, float]:
        parts = {name: getattr(self, name) for name in TURN_PARTS}
        return {f"{name}_ms": round(ms, 1) for name, ms in parts.items()}


TURN_PARTS = ("total", "end_of_speech", "silence", "model", "decode", "pacing", "own")


@dataclass(frozen=True, slots=True)
class Stop:
    """A committed interruption, to the last packet with the agent's voice, milliseconds. ``onset``: from the
    first frame in which the caller was heard; ``suspect``: from the decision to pause, or to stop if there
    was no pause."""

    onset: float
    suspect: float

    def as_dict(self) -> dict[str, int]:
        return {"onset_to_stop_ms": round(self.onset), "suspect_to_stop_ms": round(self.suspect)}


@dataclass(slots=True)
class _Waiting:
    """The caller has stopped; ``response_id`` is the response then: an answer is a later one."""

    voiced: float
    stopped: float
    response_id: str
    came: float = 0.0
    queued: float = 0.0


@dataclass(slots=True)
class _Stopping:
    onset: float
    suspected: float
    silent: float | None = None
    committed: bool = False


class Stopwatch:
    """One call's, whoever its agent is."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.stops: list[Stop] = []
        self.suspects = 0
        self.agent(None)

    def agent(self, silence_ms: float | None) -> None:
        """An agent gets the line: what the one before left unanswered is not for it to answer.
        ``silence_ms``: how much silence ends a turn, when the server goes by that."""
        self._silence_ms = silence_ms or 0.0
        self._waiting: _Waiting | None = None
        self._stopping: _Stopping | None = None

    # ------------------------------------------------------------------ turns

    def caller_stopped(self, now: float, voiced: float, response_id: str) -> None:
        """The server says so; ``voiced``: when the local detector last heard a voice."""
        self._waiting = _Waiting(voiced, now, response_id)

    def audio(self, came: float, queued: float, response_id: str) -> None:
        """A stretch of the agent's voice."""
        waiting = self._waiting
        if waiting is not None and not waiting.queued and response_id != waiting.response_id:
            waiting.came, waiting.queued = came, queued

    def audible(self, now: float) -> float | None:
        """The agent's first packet after a silence has left. How long the caller waited, if he did, in ms."""
        self._stopping = None
        waiting = self._waiting
        if waiting is None or not waiting.queued:
            return None
        self._waiting = None
        moments = (waiting.voiced, waiting.stopped, waiting.came, waiting.queued, now)
        end_of_speech, model, decode, pacing = (
            1000 * (later - earlier) for earlier, later in pairwise(moments)
        )
        turn = Turn(end_of_speech, self._silence_ms, model, decode, pacing)
        self.turns.append(turn)
        return turn.total

    # ------------------------------------------------------------------ interruptions

    def suspect(self, now: float, onset: float) -> None:
        """The agent pauses; the caller was first heard at ``onset``."""
        self.suspects += 1
        self._stopping = _Stopping(onset, now)

    def resumed(self) -> None:
        self._stopping = None

    def cut(self, now: float, onset: float) -> None:
        """The agent stops for good."""
        self._stopping = self._stopping or _Stopping(onset, now)
        self._stopping.committed = True
        self._settle()

    def silent(self, last: float) -> None:
        """No packet with the agent's voice has left since ``last``."""
        if self._stopping is not None:
            self._stopping.silent = last
            self._settle()

    def _settle(self) -> None:
        stopping = self._stopping
        if stopping is None or not stopping.committed or stopping.silent is None:
            return
        self._stopping = None
        onset, suspect = (max(0.0, stopping.silent - since) for since in (stopping.onset, stopping.suspected))
        self.stops.append(Stop(1000 * onset, 1000 * suspect))
