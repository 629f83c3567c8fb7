"""Taking a message in one talk: the sentence is over, a beep, the caller speaks, the agent listens.

The model hears the message, since its transcription is wanted, but is told to answer nothing meanwhile.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bot.audio.g711 import Codec
from bot.audio.playout import Playout
from bot.audio.tones import beep
from bot.call.ports import Model, Taken
from bot.call.tape import MessageParams, Tape
from bot.call.turns import LEAVING, State
from bot.call.uplink import Uplink
from bot.call.waits import Waits

BEEP = "beep"  # its item's name in the playout
END_KEY = "#"


@dataclass(frozen=True, slots=True)
class Talk:
    """What of the talk is needed; ``state`` says how the turns stand."""

    model: Model
    uplink: Uplink
    playout: Playout
    codec: Codec
    clock: Callable[[], float]
    state: Callable[[], State]


class Answering:
    """``on_message`` is given each message in which somebody spoke, however it ended: by a hang-up, too."""

    def __init__(
        self, params: MessageParams, talk: Talk, waits: Waits, on_message: Callable[[Taken], None]
    ) -> None:
        self.tape: Tape | None = None
        self._params = params
        self._talk = talk
        self._waits = waits
        self._on_message = on_message
        self._words: dict[str, str | None] = {}  # of each item of the message; None: not transcribed yet
        self.listening = False  # what the caller says is not answered

    # ------------------------------------------------------------------ what the talk reports

    def tick(self, now: float) -> None:
        if self.tape is not None:
            self.tape.tick(now, self._talk.uplink.last_voiced)

    def key(self, digit: str) -> bool:
        """Whether the key was the message's own affair."""
        if self.tape is not None and digit == END_KEY:
            self.tape.stop("key")
        return self.tape is not None

    def speech_started(self, item_id: str) -> None:
        if self.listening:
            self._words[item_id] = None

    def speech_stopped(self, item_id: str) -> None:
        if self.tape is None:  # it was over before the beep
            self._words.pop(item_id, None)

    def transcribed(self, item_id: str, text: str) -> None:
        if item_id in self._words:
            self._words[item_id] = text

    def leaving(self) -> None:
        if self.tape is not None:
            self.tape.stop("leaving")

    # ------------------------------------------------------------------ what the tool asks for

    async def take(self) -> Taken | None:
        """One message; None when another is being taken, or the call is being left."""
        if self.listening:
            return None
        self.listening = True
        self._words.clear()
        self._talk.model.listen_only(True)
        try:
            await self._waits.until(lambda: self._talk.state() in {State.IDLE, *LEAVING})
            return None if self._talk.state() in LEAVING else await self._record()
        finally:
            self.listening = False
            self._talk.model.listen_only(False)

    async def _record(self) -> Taken:
        talk, params = self._talk, self._params
        talk.playout.append(BEEP, talk.codec.encode(beep()))
        talk.playout.end(BEEP)
        await self._waits.until(lambda: talk.playout.idle)
        tape = self.tape = Tape(params, talk.clock())
        talk.uplink.tap = tape.frame
        try:
            await self._waits.until(lambda: tape.ended is not None)
            over = talk.clock() + params.transcript_within_s
            await self._waits.until(lambda: None not in self._words.values() or talk.clock() >= over)
        finally:
            self.tape = talk.uplink.tap = None
            tape.stop("leaving")
            transcript = " ".join(filter(None, self._words.values()))
            assert tape.ended is not None
            taken = Taken(tape.seconds, tape.ended, tape.spoken, transcript, tape.audio)
            if taken.spoken:
                self._on_message(taken)
        return taken
