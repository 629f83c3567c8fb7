"""What an agent may ask of its call beyond leaving it: that another agent, or another person, takes over.

Each method is awaited by the tool that asks, and says in words what prevented it, or nothing.
"""

import asyncio
from typing import TYPE_CHECKING

from bot.call.consult import Consultation
from bot.call.talk import Talk
from bot.call.transfer import Input
from bot.errors import ModelError
from bot.log import get_logger

if TYPE_CHECKING:
    from bot.call.call import Call

log = get_logger("call")

LEAVING = "the call is being left already"
TAKE_OVER = (
    "You have just taken this call over from another agent, and speak to the caller now; what was said "
    "before is in the conversation."
)
BEGIN = 'Begin with these words, and ask for nothing that is known already: "{greeting}"'
#: So long the words that the caller said last are waited for.
TRANSCRIPT_WITHIN_S = 1.0
GO_ON = "Say who you are, in a few words, and go on from there."
#: A model that is lost is asked for again, for so long, but not when that was so a moment ago.
AGAIN_WITHIN_S, AGAIN_AFTER_S = 5.0, 60.0
BACK_AGAIN = 'Say in the language of the call: "I am sorry, I was gone for a moment. Where were we?"'


class Desk:
    """One call's."""

    def __init__(self, call: "Call") -> None:
        self.consultation: Consultation | None = None  # the last one, until the caller is back
        self._call = call
        self._consultations = 0
        self._back_at = -AGAIN_AFTER_S  # when the model was last lost and had again

    async def consult(self, destination: str, summary: str) -> str:
        place = self._call.phone(destination)
        if place is None or self.consultation is not None:
            return "there is no such destination" if place is None else LEAVING
        self._consultations += 1
        consultation = Consultation(self._call, destination, place, summary, self._consultations)
        self.consultation = consultation
        outcome = LEAVING
        try:
            outcome = await consultation.run()
        finally:
            if outcome:
                self.consultation = None
        return outcome

    def decide(self, *, accept: bool) -> str:
        if self.consultation is None:
            return LEAVING
        if accept and not self.consultation.answered_in_words:
            return "they have not said anything yet"
        self.consultation.give(Input.ACCEPT if accept else Input.DECLINE)
        return ""

    async def hand_off(self, agent: str, note: str) -> str:
        """``agent`` takes the call over, on a session of its own. It gets ready, down to its first words,
        while the old one finishes its sentence."""
        call = self._call
        old = call.talk
        if old is None or not call.step_aside(f"handed off to {agent}"):
            return LEAVING
        new = None
        try:
            new = await self._get_ready(agent, note, old)
            await call.aside()
            if new.lost:
                return "the other agent was lost"
            call.talk = new
        except ModelError as error:
            log.error("handoff_failed", agent=agent, error=str(error))
            return "the other agent cannot be reached"
        finally:
            if call.talk is old:
                if not call.over:
                    await call.aside()
                    call.give_line(old)
                if new is not None:
                    await new.close()
        call.give_line(new)
        call.journal.note(call.now(), "handoff", agent)
        log.info("handed_off", agent=agent)
        await old.close()
        return ""

    async def go_on(self) -> bool:
        """The caller's agent, whose model is lost, on a new session that knows what was said. What the lost
        one has said is heard to its end meanwhile. False when the call cannot go on."""
        call, lost = self._call, self._call.talk
        if lost is None or not lost.lost or lost.conversation is not call.conversation:
            return False
        if call.keys_are_private:  # the next agent would be told the rest of a card's number
            return False
        if call.now() < self._back_at + AGAIN_AFTER_S or not call.step_aside("the model was lost"):
            return False
        new = None
        try:
            async with asyncio.timeout(AGAIN_WITHIN_S):
                new = await call.connect(lost.brief, call.journal.dialogue())
            conversation = call.prepare(new)
        except (ModelError, TimeoutError) as error:
            log.error("model_not_replaced", error=str(error) or f"not within {AGAIN_WITHIN_S:g} s")
        await call.aside()
        if new is None or new.lost:
            return False
        call.talk, self._back_at = new, call.now()
        call.give_line(new)
        call.journal.note(call.now(), "model_replaced")
        log.warning("model_replaced")
        if conversation.leaving:  # somebody has wished for the end meanwhile
            return True
        if new.brief.greeting and all(party != "agent" for party, _ in call.journal.dialogue()):
            conversation.greet()
        else:
            conversation.prompt(BACK_AGAIN)
        return True

    async def _get_ready(self, agent: str, note: str, old: Talk) -> Talk:
        """The other agent's talk, who knows what was said and has been asked for its first words. Raises
        ModelError."""
        call = self._call
        if old.brief.request.transcription is not None and old.conversation is not None:
            await old.conversation.transcribed(TRANSCRIPT_WITHIN_S)
        new = await call.connect(call.brief_for(agent), call.journal.dialogue())
        begin = BEGIN.format(greeting=new.brief.greeting) if new.brief.greeting else GO_ON
        call.prepare(new).prompt(" ".join(filter(None, (TAKE_OVER, note, begin))))
        return new
