"""Barge-in in two steps, from a stream of voiced/unvoiced frames: first suspect, then commit or forget.

PURE. One decision a frame of 20 ms; times count from the first voiced frame.
"""

from dataclasses import dataclass

from bot.call.turns import Input

FRAME_MS = 20
#: Of the frames since the onset, how many must be voiced. Coughs and clicks have holes.
VOICED_SHARE = 0.6
#: So long without voice and it was not an interruption.
QUIET_MS = 240


@dataclass(frozen=True, slots=True)
class BargeInParams:
    suspect_ms: int = 120
    commit_ms: int = 500


class BargeIn:
    """Feed it while the agent is audible; ``reset`` it when a turn of the agent begins."""

    def __init__(self, params: BargeInParams) -> None:
        self._params = params
        self.reset()

    def reset(self) -> None:
        self._elapsed_ms = 0  # since the first voiced frame; 0 = nothing heard
        self._voiced_ms = 0
        self._quiet_ms = 0
        self._suspected = False

    def frame(self, voiced: bool) -> Input | None:
        """SPEECH, COMMIT or QUIET when this frame decides it, otherwise None."""
        if not voiced and not self._elapsed_ms:
            return None
        self._elapsed_ms += FRAME_MS
        if voiced:
            self._voiced_ms += FRAME_MS
            self._quiet_ms = 0
        else:
            self._quiet_ms += FRAME_MS
        dense = self._voiced_ms >= VOICED_SHARE * self._elapsed_ms
        if self._quiet_ms >= QUIET_MS or (self._elapsed_ms >= self._params.commit_ms and not dense):
            return self._forget()
        if not self._suspected and voiced and dense and self._voiced_ms >= self._params.suspect_ms:
            self._suspected = True
            return Input.SPEECH
        if self._suspected and voiced and dense and self._elapsed_ms >= self._params.commit_ms:
            self.reset()
            return Input.COMMIT
        return None

    def suspect(self) -> None:
        """Somebody else (the server's VAD) heard the caller first."""
        self._elapsed_ms = max(self._elapsed_ms, FRAME_MS)
        self._voiced_ms = max(self._voiced_ms, FRAME_MS)
        self._suspected = True

    def _forget(self) -> Input | None:
        suspected = self._suspected
        self.reset()
        return Input.QUIET if suspected else None
