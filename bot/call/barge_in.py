"""Barge-in in two steps, from a stream of frames: first suspect, then commit or forget.

PURE. One decision a frame of 20 ms; times count from the first frame that was heard. Two ears report on each:
whether the caller makes himself *heard* over the agent (the echo canceller's detector, which hears a cough as
well), and whether it is *voiced* (the VAD, and vowels). The first is enough for a suspect. A suspect costs
little, since the agent goes on where he paused; so it comes early, and the decision can wait for words: a
commit needs both ears, for most of ``commit_ms``, and forgives the pause after «Wait, …».
"""

from dataclasses import dataclass

from bot.call.turns import Input

FRAME_MS = 20
#: Of the frames since the onset, how many must be heard for a suspect. Clicks have holes.
HEARD_SHARE = 0.6
#: So long without a sound and nothing began.
FAINT_MS = 240
#: A suspect is forgotten after so long without a sound: longer than the pauses between words.
QUIET_MS = 400
#: A noise that begins goes on without a pause. A suspect who has not spoken for most of so long is none.
NOISE_MS = 1000
#: Of ``commit_ms``, how much must be heard and voiced.
TALK_SHARE = 0.7
#: Of what was heard, how much must be voiced. A cough is not.
VOICED_SHARE = 0.5
#: And less than this of it was a noise, not even «mm-hm».
NOISE_SHARE = 0.34


@dataclass(frozen=True, slots=True)
class BargeInParams:
    suspect_ms: int = 60
    commit_ms: int = 600


class BargeIn:
    """Feed it while the agent is audible; ``reset`` it when a turn of the agent begins."""

    def __init__(self, params: BargeInParams) -> None:
        self._params = params
        self.noise = False  # what was forgotten last was no voice
        self.reset()

    def reset(self) -> None:
        self.suspected = False
        self.elapsed_ms = 0  # since the first frame that was heard; 0 = nothing heard
        self._heard_ms = self._talk_ms = 0
        self._quiet_ms = 0

    def frame(self, heard: bool, voiced: bool, *, since_ms: int = 0) -> Input | None:
        """SPEECH, COMMIT or QUIET when this frame decides it, otherwise None.

        ``since_ms``: an ear that is sure only now has heard him for so long before.
        """
        if not heard and not self.elapsed_ms:
            return None
        if not self.elapsed_ms:
            self.elapsed_ms = self._heard_ms = since_ms
        self.elapsed_ms += FRAME_MS
        self._heard_ms += FRAME_MS * heard
        self._talk_ms += FRAME_MS * (heard and voiced)
        self._quiet_ms = 0 if heard else self._quiet_ms + FRAME_MS
        if self._quiet_ms >= (QUIET_MS if self.suspected else FAINT_MS):
            return self._forget()
        if not heard:
            return None
        if not self.suspected:
            return self._suspect()
        if self.elapsed_ms >= NOISE_MS and not self._voiced:
            return self._forget()
        return self._commit()

    def suspect(self) -> None:
        """Somebody else (the server's VAD) heard the caller first."""
        self.elapsed_ms = max(self.elapsed_ms, FRAME_MS)
        self._heard_ms = max(self._heard_ms, FRAME_MS)
        self._talk_ms = max(self._talk_ms, FRAME_MS)
        self.suspected = True

    @property
    def _voiced(self) -> bool:
        return self._talk_ms >= VOICED_SHARE * self._heard_ms

    def _suspect(self) -> Input | None:
        dense = self._heard_ms >= HEARD_SHARE * self.elapsed_ms
        if self._heard_ms < self._params.suspect_ms or not dense:
            return None
        self.suspected = True
        return Input.SPEECH

    def _commit(self) -> Input | None:
        long = self.elapsed_ms >= self._params.commit_ms
        talk = self._talk_ms >= TALK_SHARE * self._params.commit_ms
        if not (long and talk and self._voiced):
            return None
        self.reset()
        return Input.COMMIT

    def _forget(self) -> Input | None:
        suspected = self.suspected
        self.noise = self._talk_ms < NOISE_SHARE * self._heard_ms
        self.reset()
        return Input.QUIET if suspected else None
