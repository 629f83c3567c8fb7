"""An attended transfer as it happens: the destination is called, told of the caller, and decides.

``transfer`` says what follows from what; this carries it out. A caller who leaves ends the call, whose
release takes the destination's leg away wherever this stands.
"""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.call import transfer
from bot.call.brief import Brief
from bot.call.idle import IdleParams
from bot.call.journal import Journal
from bot.call.ports import Departure
from bot.call.talk import Talk
from bot.call.transfer import OUTCOMES, TABLE, Input, State
from bot.config.settings import Destination
from bot.errors import AriError, ModelError, ProtocolError
from bot.log import get_logger
from bot.tools.consult import CONSULT_TOOLS

if TYPE_CHECKING:
    from bot.call.call import Call

log = get_logger("call")

#: Asterisk ends the ringing itself; this is for the case that nobody tells us.
RINGING_GRACE_S = 5.0
DECIDE_WITHIN_S = 60.0
#: That time is all the patience that is needed.
NO_IDLE = IdleParams(prompt_after_s=0)
INSTRUCTIONS = (
    "You have a caller waiting on hold, and speak on the telephone to {whom}, to whom the caller is to be "
    "connected; the caller does not hear you. It is about this: {summary}\n"
    "Speak the language of that summary, one or two short sentences at a time. When they agree to take the "
    "call, call accept_caller. When they do not, or a machine answers, call decline_caller."
)
OPENING = (
    'Say now, in the language of the summary: "Hello, I have a caller for you. {summary} '
    'To take the call, press 1 or say yes. To decline, press 2 or say no."'
)


class Consultation:
    """One attempt to reach one destination. Asterisk tells ``answered``, ``ended`` and ``digit``."""

    def __init__(self, call: "Call", name: str, place: Destination, summary: str, attempt: int) -> None:
        self.state = State.RINGING
        self.name = name
        self.channel_id = call.leg.second_id(attempt)
        self._call = call
        self._place = place
        self._summary = summary or "They asked to be connected to you."
        self._changed = asyncio.Event()
        self._journal = Journal(began=call.journal.began)

    # ------------------------------------------------------------------ what happens to it

    def give(self, given: Input) -> None:
        after = TABLE.get((self.state, given), self.state)
        if after is not self.state:
            self._call.journal.note(self._call.now(), "transfer", f"{self.name}: {after.name.lower()}")
            self.state = after
            self._changed.set()

    def answered(self) -> None:
        self.give(Input.ANSWERED)

    def ended(self, cause: int) -> None:
        """The destination's channel is gone; when two people were connected, that ends the call."""
        if self._call.partner:
            self._call.partner_left()
        else:
            self.give(transfer.ended(self.state, cause))

    def digit(self, digit: str) -> None:
        if digit in transfer.KEYS:
            self.give(transfer.KEYS[digit])

    @property
    def answered_in_words(self) -> bool:
        """The destination has said something, of whatever kind."""
        return any(kind == "caller_started" for _, kind, _ in self._journal.timeline)

    # ------------------------------------------------------------------ from the last sentence to the outcome

    async def run(self) -> str:
        """Why the caller is back with the agent; empty when he was connected."""
        call = self._call
        agent = call.talk
        if agent is None or not call.step_aside(f"calling {self.name}"):
            return "the call is being left already"
        talk = None
        try:
            talk = await self._prepare(agent.brief)
            await call.aside()
            if talk is not None and self.state is State.RINGING:
                await self._consult(talk)
        finally:
            if not call.partner and not call.over:
                await self._back(agent)
            if talk is not None:
                await talk.close()
        return OUTCOMES.get(self.state, "")

    async def _back(self, agent: Talk) -> None:
        """The caller and his agent hear each other again, however the attempt has ended."""
        call = self._call
        self.give(Input.FAULT)  # which changes nothing once there is an outcome
        await call.aside()
        await call.leg.drop_second()
        if call.leg.aside:
            await self._take_back()
        if not call.over:
            call.give_line(agent)
            log.info("transfer_failed", destination=self.name, outcome=self.state.name.lower())

    async def _prepare(self, brief: Brief) -> Talk | None:
        """The talk with the destination; nobody is called whom we could not speak to."""
        try:
            talk = await self._call.connect(self._brief(brief))
        except ModelError as error:
            log.error("consult_failed", error=str(error))
            self.give(Input.FAULT)
            return None
        self._call.prepare(talk, self._journal, self._talk_ended)
        return talk

    async def _consult(self, talk: Talk) -> None:
        call, leg = self._call, self._call.leg
        try:
            await leg.hold()
            await leg.call_second(self.channel_id, self.name, self._place.ring_timeout, call.caller_id())
            await self._leaves(State.RINGING, self._place.ring_timeout + RINGING_GRACE_S)
            if self.state is State.BRIEFING:
                await leg.admit_second()
                call.give_line(talk)
                assert talk.conversation is not None
                talk.conversation.open(OPENING.format(summary=self._summary))
                await self._leaves(State.BRIEFING, DECIDE_WITHIN_S)
                call.rest()
            if self.state is State.CONNECTED:
                await leg.connect_second()
            if self.state is State.CONNECTED:  # they may have hung up meanwhile
                await call.step_out(self.name)
        except (AriError, ProtocolError) as error:
            log.error("consult_failed", error=str(error))
        finally:
            call.journal.absorb(self._journal)

    async def _take_back(self) -> None:
        try:
            await self._call.leg.take_back()
        except AriError as error:
            await self._call.asterisk_failed("the caller could not be taken back", error)

    async def _leaves(self, state: State, within_s: float) -> None:
        """Until another state; after ``within_s`` the time is over."""
        try:
            async with asyncio.timeout(within_s):
                while self.state is state:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            self.give(Input.TIME_OVER)

    def _talk_ended(self, departure: Departure) -> None:
        """The model said goodbye to them, or was lost, or its media failed."""
        self.give(Input.DECLINE if departure.by == "agent" else Input.FAULT)

    def _brief(self, brief: Brief) -> Brief:
        whom = self._place.description or self.name
        request = replace(
            brief.request,
            instructions=INSTRUCTIONS.format(whom=whom, summary=self._summary),
            tools=tuple(CONSULT_TOOLS.to_openai_realtime_schema()),
        )
        return replace(
            brief, request=request, tools=CONSULT_TOOLS, greeting="", protect_greeting=True, idle=NO_IDLE
        )
