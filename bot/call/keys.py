"""The phone's keys in one talk: digits of the caller go to whoever waits for them, ours go to the phone."""

from collections import deque
from collections.abc import Awaitable, Callable

from bot.audio.playout import Playout
from bot.call.keypad import Gathered, GatherParams, Keypad
from bot.call.turns import LEAVING, State
from bot.call.uplink import Uplink
from bot.call.waits import Waits
from bot.log import get_logger

log = get_logger("call")

#: Of a tone that we send, and of the quiet after it.
TONE_MS = 100

#: From the last key of a private gather until the caller is heard again.
PRIVATE_TAIL_S = 1.0
#: Who types slowly types on after such a gather has ended; these keys are not for the model either.
LATE_KEYS_S = 10.0
#: So many digits that nobody asked for may be those of a card, where cards are taken.
LONG_NUMBER = 8
#: Within so long, however they are grouped.
COUNTED_S = 60.0
#: Cards are typed in groups of four, and between them one looks at the card: as long as who was asked may.
LONG_PAUSE_S = 8.0
TYPED_LONG = "The caller typed a long number, which is kept from you, and which nobody has got"

SendDigits = Callable[[str, int], Awaitable[None]]  # digits, milliseconds of each tone and of each gap


class Keys:
    """``tell`` is given keys that nobody asked for, in words; ``clock`` gives the loop's time; ``state`` says
    how the turns stand. ``guarded``: the agent takes cards, and callers may type theirs before it asks, so
    that keys are private until it is known that they are none."""

    def __init__(
        self,
        pause_s: float,
        waits: Waits,
        uplink: Uplink,
        playout: Playout,
        *,
        clock: Callable[[], float],
        state: Callable[[], State],
        tell: Callable[[str], None],
        send: SendDigits,
        guarded: bool = False,
    ) -> None:
        self.keypad = Keypad(pause_s, LONG_PAUSE_S if guarded else pause_s)
        self.guarded = guarded
        self._gathering_privately = False
        self._waits = waits
        self._uplink = uplink
        self._playout = playout
        self._pressed = self._nobodys_until = 0.0
        self._unasked: deque[tuple[float, int]] = deque()  # when digits were complete, and how many
        self._clock = clock
        self._state = state
        self._tell = tell
        self._send = send

    def tick(self, now: float, *, agent_audible: bool) -> None:
        if typed := self.keypad.tick(now, agent_audible=agent_audible):
            if self.guarded and self._counted(typed, now) >= LONG_NUMBER:
                self._nobodys_until = now + LATE_KEYS_S
                log.info("long_number_typed")
                self._tell(TYPED_LONG)
            else:
                self._tell(f"The caller pressed {' '.join(typed)}")
        wanted = self.keypad.pending or self._gathering_privately
        if self._uplink.private and not wanted and now >= self._pressed + PRIVATE_TAIL_S:
            self._uplink.private = False

    def _counted(self, typed: str, now: float) -> int:
        """How many digits nobody has asked for lately, these among them."""
        self._unasked.append((now, sum(key.isdigit() for key in typed)))
        while self._unasked[0][0] < now - COUNTED_S:
            self._unasked.popleft()
        return sum(digits for _, digits in self._unasked)

    def press(self, digit: str, now: float) -> None:
        """A key of the caller. One that comes late for a private gather, or for a long number, belongs to
        nobody, and is not heard either."""
        self._pressed = now
        if self.keypad.gathering:
            self.keypad.press(digit, now)
        elif self._late(now):
            self._uplink.private = True
        else:
            self.keypad.press(digit, now)
            self._uplink.private = self.guarded

    def _late(self, now: float) -> bool:
        return self._gathering_privately or now < self._nobodys_until

    @property
    def wanted(self) -> bool:
        """A tool waits for digits, some are not complete yet, or late ones of a private gather may come."""
        return self.keypad.gathering or self.keypad.pending or self._late(self._clock())

    @property
    def private(self) -> bool:
        """What the caller types, and sounds in the audio, is for nobody's eyes and ears."""
        return self._uplink.private or (not self.keypad.gathering and self._late(self._clock()))

    async def gather(self, params: GatherParams) -> Gathered | None:
        """The digits that the caller types; None when another gather goes on."""
        if self.keypad.gathering or self._gathering_privately:
            return None
        self._uplink.private = False
        return await self._gather(params)

    async def gather_privately(self, params: GatherParams) -> Gathered | None:
        """The same, and meanwhile nothing of the caller is recorded, logged or heard by the model: tones in
        the audio would tell the digits, too."""
        if self.keypad.gathering or self._gathering_privately:
            return None
        self._uplink.private = self._gathering_privately = True
        gathered = None
        try:
            gathered = await self._gather(params)
            await self._waits.until(lambda: self._clock() >= self._pressed + PRIVATE_TAIL_S)
        finally:
            self._uplink.private = self._gathering_privately = False
            if gathered is None or gathered.ended != "terminator":
                self._nobodys_until = self._clock() + LATE_KEYS_S
        return gathered

    async def _gather(self, params: GatherParams) -> Gathered | None:
        self.keypad.gather(params, self._clock())
        try:
            await self._waits.until(lambda: self.keypad.gathered is not None)
        finally:
            self.keypad.stop("leaving")
            gathered, self.keypad.gathered = self.keypad.gathered, None
        return gathered

    async def send(self, digits: str) -> bool:
        """Tones to the far end, once the agent is silent: Asterisk drops our audio while it sends them. False
        when the call is being left. Raises AriError."""
        await self._waits.until(lambda: self._state() in {State.IDLE, *LEAVING})
        if self._state() in LEAVING:
            return False
        self._playout.pause()
        try:
            await self._send(digits, TONE_MS)
            over = self._clock() + len(digits) * 2 * TONE_MS / 1000
            await self._waits.until(lambda: self._clock() >= over)
        finally:
            if self._state() not in {State.SUSPECT, State.SUSPECT_DONE}:  # that pause is the caller's
                self._playout.resume()
        return True
