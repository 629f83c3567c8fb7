"""Barge-in in two steps, from a stream of frames: first suspect, then commit or forget.

PURE. One decision a frame of 20 ms; times count from the first frame that was heard. Two ears report on each:
whether the caller makes himself *heard* over the agent (the echo canceller's detector, which hears a cough as
well), and whether it is *voiced* (the VAD). The first is enough for a suspect; a commit needs both.
"""

from dataclasses import dataclass

from bot.call.turns import Input

FRAME_MS = 20
#: Of the frames since the onset, how many must be heard. Clicks have holes.
HEARD_SHARE = 0.6
#: Of the same, how many must be voiced for a commit. A cough is not.
VOICED_SHARE = 0.5
#: So long without a sound and it was not an interruption.
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
        self.elapsed_ms = 0  # since the first frame that was heard; 0 = nothing heard
        self._heard_ms = self._voiced_ms = 0
        self._quiet_ms = 0
        self._suspected = False

    def frame(self, heard: bool, voiced: bool) -> Input | None:
        """SPEECH, COMMIT or QUIET when this frame decides it, otherwise None."""
        if not heard and not self.elapsed_ms:
            return None
        self.elapsed_ms += FRAME_MS
        self._voiced_ms += FRAME_MS * voiced
        self._heard_ms += FRAME_MS * heard
        self._quiet_ms = 0 if heard else self._quiet_ms + FRAME_MS
        dense = self._heard_ms >= HEARD_SHARE * self.elapsed_ms
        late = self.elapsed_ms >= self._params.commit_ms
        if self._quiet_ms >= QUIET_MS or (late and not dense):
            return self._forget()
        if heard and dense and not self._suspected and self._heard_ms >= self._params.suspect_ms:
            self._suspected = True
            return Input.SPEECH
        if heard and late and self._suspected and self._voiced_ms >= VOICED_SHARE * self.elapsed_ms:
            self.reset()
            return Input.COMMIT
        return None

    def suspect(self) -> None:
        """Somebody else (the server's VAD) heard the caller first."""
        self.elapsed_ms = max(self.elapsed_ms, FRAME_MS)
        self._heard_ms = max(self._heard_ms, FRAME_MS)
        self._voiced_ms = max(self._voiced_ms, FRAME_MS)
        self._suspected = True

    def _forget(self) -> Input | None:
        suspected = self._suspected
        self.reset()
        return Input.QUIET if suspected else None
