"""A recording heard again with some settings: the uplink's ear, the turn-taking table and the gate. PURE.

The recording cannot be changed by what the replay decides: after a suspect, and even a commit, the recorded
agent may go on. After a commit he is listened over again once the caller has been quiet for a second. The
server's VAD is not in a recording, so suspects are the local ear's alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot.audio.gate import Gate
from bot.call.brief import uplink_params
from bot.call.ear import Ear
from bot.call.turns import AWAITING_DRAIN, INTERRUPTIBLE, Action, Input, State, Turns
from bot.config.settings import Settings
from bot.tune.cancelled import Cancelled, Playback
from bot.tune.recording import FRAMES_A_SECOND, Recording, rms
from bot.tune.reference import Reference
from bot.tune.spans import Flags, bridged, spans

AGENT_RMS = 100.0
"""A frame above this is the agent's voice."""
AGENT_PAUSE, SPOKE_BEFORE, CUT_FOR = FRAMES_A_SECOND, 10, FRAMES_A_SECOND
"""Frames: a pause within a turn of the agent; a turn that ends while the caller has spoken for so long was
cut short by him, and lasts at most so much longer."""
AGAIN_AFTER = FRAMES_A_SECOND


@dataclass(frozen=True)
class Outcome:
    """Frame by frame ``voiced`` (the VAD) and ``gate``; ``suspects`` and ``commits`` are frame numbers.

    ``transitions`` counts the gate's openings and closings, as the call's record does.
    """

    label: str
    settings: Settings
    voiced: Flags
    gate: NDArray[np.str_]
    suspects: tuple[int, ...]
    commits: tuple[int, ...]
    transitions: int


def agent_turns(recording: Recording, reference: Reference) -> Flags:
    """When the agent is audible, and would still be if the caller had not just made it stop."""
    if recording.agent is None:
        return np.zeros(len(recording.caller), bool)
    turns = bridged(rms(recording.agent) > AGENT_RMS, AGENT_PAUSE)
    for _, end in spans(turns):
        still = np.flatnonzero(reference.speech[end : end + CUT_FOR])
        if len(still) and reference.speech[end - SPOKE_BEFORE : end].any():
            turns[end : end + still[-1] + 1] = True
    return turns


def replay(
    label: str,
    recording: Recording,
    cancelled: Cancelled,
    agent: Flags,
    settings: Settings,
    advance: Callable[[], None],
) -> Outcome:
    """Hear the whole recording; ``advance`` is called once for each second of it."""
    params = uplink_params(settings, settings.barge_in)
    ear = Ear(params.vad, params.barge_in, Playback(cancelled) if params.echo else None)
    line = _Line()
    greeting = next((end for _, end in spans(agent)), 0) if settings.barge_in.protect_greeting else 0
    voiced = np.zeros(len(recording.caller), bool)
    states: list[str] = []
    decisions: list[tuple[int, Input]] = []
    for n, near in enumerate(recording.caller):
        line.agent(bool(agent[n]))
        may_interrupt = settings.barge_in.enabled and n >= greeting
        ear.listen_over_agent(may_interrupt and line.turns.state in INTERRUPTIBLE)
        heard = ear.process(near.tobytes())
        voiced[n] = heard.voiced
        if heard.decided is not None:
            line.give(heard.decided)
            decisions.append((n, heard.decided))
        line.listen(heard.frame, heard.voiced)
        states.append(line.gate.state)
        if n % FRAMES_A_SECOND == 0:
            advance()
    return Outcome(
        label,
        settings,
        voiced,
        np.array(states),
        tuple(n for n, decided in decisions if decided is Input.SPEECH),
        tuple(n for n, decided in decisions if decided is Input.COMMIT),
        line.gate.openings + line.gate.closings,
    )


class _Line:
    """Turn taking and gate; the recorded agent takes the place of model and playout."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.gate = Gate()
        self._committed = False
        self._quiet = 0

    def agent(self, audible: bool) -> None:
        if not audible:
            self._committed = False
            if self.turns.state is not State.IDLE:
                self.give(Input.DONE)
            if self.turns.state in AWAITING_DRAIN:
                self.give(Input.DRAINED)
        elif not self._committed and self.turns.state in (State.IDLE, State.DRAINING):
            self.give(Input.AUDIO)

    def listen(self, frame: bytes, voiced: bool) -> None:
        self._quiet = 0 if voiced else self._quiet + 1
        if self._quiet >= AGAIN_AFTER:
            self._committed = False
        self.gate.push(frame)

    def give(self, given: Input) -> None:
        self._committed = self._committed or given is Input.COMMIT
        for action in self.turns.give(given):
            if action is Action.OPEN_GATE:
                self.gate.open()
            elif action is Action.PAUSE:
                self.gate.hold()
            elif action in (Action.CLOSE_GATE, Action.RESUME):
                self.gate.close()
