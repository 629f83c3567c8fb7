"""One call from ``StasisStart`` to its record: it owns the leg, the model, the media and their tasks.

Setting up runs as a task of the call while the call already waits for its own end, so a caller who hangs up
between any two requests ends it at once.
"""

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any

from bot.ari.models import Channel
from bot.call.brief import Brief, write_brief
from bot.call.conversation import Conversation, Script
from bot.call.desk import Desk
from bot.call.house import House
from bot.call.journal import Journal
from bot.call.leg import Leg
from bot.call.line import Line
from bot.call.outbound import Order
from bot.call.ports import Departure, Message, Party, Taken
from bot.call.quality import phone_leg, uplink_mos
from bot.call.talk import Talk
from bot.call.transfer import Input
from bot.config.profile import sanitized
from bot.config.settings import Destination
from bot.errors import AriError, ModelError, ProtocolError, ResourceError
from bot.log import get_logger

log = get_logger("call")

#: RTCP brings figures every 5 s; a caller who hangs up takes them along, so they are asked for meanwhile.
STATISTICS_FIRST_S = 6.0
STATISTICS_EVERY_S = 10.0
RING_MARGIN_S = 0.2
WARN_OF_LIMIT = "In about {:g} seconds the call reaches its time limit. Mention it in one short sentence."
GOODBYE_AT_LIMIT = "The call has reached its time limit. Say so in one short sentence, and say goodbye."

WORD_AT_SHUTDOWN = (
    "You have to leave this call now. Say in the language of the call: "
    '"I am sorry, I have to leave this call now. {}"'
)


class Call:
    """``run`` it once; Asterisk's events reach it through ``leg``, ``conversation`` and ``gone``."""

    def __init__(
        self,
        house: House,
        call_id: str,
        channel: Channel,
        args: tuple[str, ...],
        order: Order | None = None,
    ) -> None:
        self.id = call_id
        self.order = order  # we call them
        self.answered_by = ""  # of an outbound call: person, machine or unknown
        self.channel = channel  # as it was when it came
        self.brief: Brief | None = None
        self.leg = Leg(house.ari, call_id, channel.id, there=order is None)
        self.started_at = time.time()
        self.ended_at = 0.0  # the controller sets it, when all is released
        self.talk: Talk | None = None  # of the agent who has the caller
        self.line: Line | None = None
        self.desk = Desk(self)
        self.departure: Departure | None = None
        self.interruption = "fault"  # why ``run`` is cut short, if it is
        self._house = house
        self._args = args
        self._loop = asyncio.get_running_loop()
        self.journal = Journal(began=self._loop.time())
        self._ended: asyncio.Future[Departure] = self._loop.create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._talks: list[Talk] = []
        self._variables: dict[str, str] = {}
        self._held = False  # the caller has put us on hold
        self._dialled = float("inf")
        self._aside: asyncio.Future[None] = self._loop.create_future()
        self._wish: Departure | None = None  # how the call is to end, whoever has the line
        self._partner = ""  # the destination that the caller talks to, without us

    async def run(self) -> None:
        """The whole life of the call. Raises nothing but cancellation; even then all is released."""
        async with asyncio.TaskGroup() as self._group:
            self._spawn(self._set_up())
            calls = self._house.settings.calls
            limit = self._loop.call_later(calls.max_call_seconds, self._time_is_up)
            warning = self._loop.call_later(calls.max_call_seconds - calls.warn_before_s, self._warn)
            if not 0 < calls.warn_before_s < calls.max_call_seconds:
                warning.cancel()
            try:
                self.departure = await self._ended
            except asyncio.CancelledError:
                self.departure = self._cut_short()
                raise
            finally:
                limit.cancel()
                warning.cancel()
                await _to_the_end(self._release(self.departure or self._cut_short()))

    def _cut_short(self) -> Departure:
        """A task of the call failed, or the service stops; unless it had ended by itself just then."""
        if self._ended.done() and not self._ended.cancelled():  # cancelling ``run`` cancels what it awaits
            return self._ended.result()
        if self._partner:
            return self._apart("bot")
        return self._fit(
            Departure("continue", "bot", self.interruption, variables=refused(self.interruption))
        )

    # ------------------------------------------------------------------ setting up

    async def _set_up(self) -> None:
        calls = self._house.settings.calls
        try:
            if self.order is None and self.channel.state != "Up":
                await self.leg.ring()
            async with asyncio.timeout(calls.ring_timeout):
                self._variables = await self._read_variables()
                self.brief = self.brief_for(self.order.agent if self.order else "")
                talk = await self.connect(self.brief)
            if self.order is None:
                await self.leg.answer()
            else:
                await self._call_out(self.order)
            self.journal.answered = self._loop.time()
            self.journal.note(self.journal.answered, "answered", self.answered_by)
            if self.answered_by == "machine" and self._house.settings.outbound.on_machine == "hangup":
                self._end(Departure("hangup", "bot", "answering machine"))
            else:
                await self._open_media(talk)
        except (ModelError, TimeoutError) as error:
            log.error("model_unavailable", error=str(error) or f"not ready within {calls.ring_timeout:g} s")
            self._end(Departure("continue", "model", "model_unavailable", variables=refused("model")))
        except ResourceError as error:
            log.error("no_media", error=str(error))
            self._end(Departure("continue", "bot", "no_media", variables=refused("media")))
        except (AriError, ProtocolError) as error:
            await self.asterisk_failed("call_setup_failed", error)

    async def asterisk_failed(self, what: str, error: Exception) -> None:
        """A request that the call cannot do without has failed."""
        # Most often the caller is gone already and the event is on its way; give it a moment.
        await asyncio.wait([self._ended], timeout=1.0)
        if not self._ended.done():
            log.error(what, error=str(error))
            self._end(Departure("hangup", "asterisk", what))

    async def _call_out(self, order: Order) -> None:
        outbound = self._house.settings.outbound
        self._dialled = self._loop.time()
        self.journal.note(self._dialled, "dialled")
        await self.leg.call_out(order.endpoint, outbound.caller_id, outbound.ring_timeout)
        if outbound.amd:
            self.answered_by = await self.leg.person_or_machine()

    @property
    def rang_out(self) -> bool:
        """Whom we call has had all the time to answer, but for the way there and back."""
        rang_s = self._loop.time() - self._dialled
        return rang_s > self._house.settings.outbound.ring_timeout - RING_MARGIN_S

    async def _read_variables(self) -> dict[str, str]:
        """What the agent's words may name: channel variables, or those that came with the order."""
        if self.order is not None:
            return dict(self.order.variables)
        return await self.leg.variables(self._house.settings.calls.variables)

    def brief_for(self, agent: str = "") -> Brief:
        """The brief of ``agent``, or of the one whom this call selects."""
        house = self._house
        return write_brief(house.settings, house.registry, self.channel, self._args, self._variables, agent)

    async def _open_media(self, talk: Talk) -> None:
        self.line = await Line.open(self._house, talk.brief, self.leg, self.id, self._line_failed)
        conversation = self.prepare(talk)
        self.talk = talk
        if self.line.uplink.echo is not None:
            self._spawn(self.line.watch_delay(self.line.uplink.echo))
        await self.leg.connect()
        self._spawn(self._watch_phone())
        self.give_line(talk)
        conversation.start_media()
        self._spawn(self.line.watch_arrival(self.leg))

    async def _watch_phone(self) -> None:
        await asyncio.sleep(STATISTICS_FIRST_S)
        while True:
            await self.leg.ask_statistics()
            await asyncio.sleep(STATISTICS_EVERY_S)

    @property
    def conversation(self) -> Conversation | None:
        """The one that has the line."""
        return self.line.conversation if self.line else None

    # ------------------------------------------------------------------ who has the line

    async def connect(self, brief: Brief, said: Iterable[tuple[str, str]] = ()) -> Talk:
        """A session with the model that knows what was ``said`` before. Raises ModelError."""
        began = self._loop.time()
        talk = Talk(brief, self._house.endpoint)
        warm = self._house.warm.take()
        await talk.connect(said, warm)
        self._talks.append(talk)
        log.info("model_connected", ms=round((self._loop.time() - began) * 1000), warm=warm is not None)
        self.journal.note(self._loop.time(), "model_connected")
        self._spawn(self._watch_model(talk))
        return talk

    async def _watch_model(self, talk: Talk) -> None:
        outcome = await talk.model.run()
        talk.lost = True
        if self._ended.done() or talk.over:
            return
        log.error("model_lost", error=outcome.message)
        if talk.conversation is None:
            self._end(MODEL_LOST)
        elif talk.conversation is self.conversation:
            await self._lost(talk.conversation)

    async def _lost(self, conversation: Conversation) -> None:
        """The model of whoever has the line is gone."""
        if await self.desk.go_on():
            return
        if conversation is self.conversation:
            conversation.model_lost(MODEL_LOST)
        elif self.conversation is None and self.talk and conversation is self.talk.conversation:
            self._end(self._wish or MODEL_LOST)

    def prepare(
        self,
        talk: Talk,
        journal: Journal | None = None,
        on_end: Callable[[Departure], None] | None = None,
    ) -> Conversation:
        """The talk's conversation, on the voices' ways of this call; it does not have the line yet. A talk
        with somebody else than the caller has a journal of its own, and its end is not the call's."""
        assert self.line is not None
        brief = talk.brief
        talk.conversation = Conversation(
            Script(
                instructions=brief.request.instructions,
                greeting=brief.greeting,
                greeting_audio=brief.greeting_audio,
                farewell=self._house.settings.farewell,
                interruptible=brief.interruptible,
                protect_greeting=brief.protect_greeting,
                silence_ms=(brief.request.turn_detection or {}).get("silence_duration_ms"),
                idle=brief.idle,
                message=brief.message,
                key_pause_s=self._house.settings.dtmf.pause,
            ),
            talk.model,
            self.line.uplink,
            self.line.downlink,
            brief.tools,
            journal or self.journal,
            self.desk,
            call_id=self.id,
            clock=time.monotonic,  # uvloop's own has whole milliseconds, and stands still within an iteration
            spawn=self._spawn,
            send_packet=self.line.socket.send,
            send_digits=self.leg.send_digits,
            on_message=self._on_message,
            on_end=on_end or self._left,
        )
        return talk.conversation

    def give_line(self, talk: Talk) -> None:
        """``talk`` has the line from here on."""
        assert self.line is not None
        assert talk.conversation is not None
        self.line.give(talk, held=self._held and talk is self.talk)
        if talk.lost:
            self._spawn(self._lost(talk.conversation))
        elif self._wish is not None and talk is self.talk:
            talk.conversation.leave(self._wish)

    def step_aside(self, reason: str) -> bool:
        """Have the agent end what it is saying, or what came of it before its model was lost, and give up the
        line; ``aside`` waits for that. False when it is leaving already."""
        if self.conversation is None or self.conversation.leaving:
            return False
        self._aside = self._loop.create_future()
        self.conversation.leave(Departure("aside", "agent", reason))
        if self.talk is not None and self.talk.lost:
            self.conversation.model_lost(MODEL_LOST)
        return True

    async def aside(self) -> None:
        """Until nobody has the line."""
        await self._aside
        self.rest()

    def rest(self) -> None:
        """No talk has the line for now; its time goes on."""
        assert self.line is not None
        self.line.rest()

    def _line_failed(self) -> None:
        self._end(Departure("hangup", "bot", "fault"))

    def _left(self, departure: Departure) -> None:
        if departure.kind != "aside":
            self._end(departure)
        elif not self._aside.done():
            self._aside.set_result(None)

    # ------------------------------------------------------------------ a destination of the caller's

    def phone(self, name: str) -> Destination | None:
        """Whom a name stands for, among the destinations that are dialled."""
        return self._house.settings.phones.get(name)

    def caller_id(self) -> str:
        """As a destination is shown it. The name is the caller's own choice, so it is but text."""
        caller = self.channel.caller
        name = sanitized(re.sub(r'["\\<>]', " ", caller.name))
        number = re.sub(r"[^\w+*#.-]", "", caller.number)
        return f'"{name}" <{number}>' if name or number else ""

    @property
    def over(self) -> bool:
        return self._ended.done()

    @property
    def partner(self) -> str:
        """The destination that the caller talks to, without us."""
        return self._partner

    async def step_out(self, name: str) -> None:
        """Caller and destination talk to each other: nothing of ours is between them, we only watch."""
        self._partner = name
        log.info("connected", destination=name)
        await self.leg.drop_media()
        await self._close_media()

    def partner_left(self) -> None:
        self._end(self._apart("destination"))

    def _apart(self, by: Party) -> Departure:
        return Departure("connected", by, f"connected to {self._partner}")

    # ------------------------------------------------------------------ events

    def _on_message(self, taken: Taken) -> None:
        caller = self.channel.caller
        self._house.mailbox.keep(
            Message(
                self.id,
                caller.number,
                caller.name,
                self.channel.dialplan.exten,
                self.brief.agent if self.brief else "",
                time.time() - taken.seconds,
                taken.seconds,
                taken.ended,
                taken.transcript,
                taken.audio,
            )
        )

    def hold(self, held: bool) -> None:
        """The caller put us on hold, or came back. A destination is heard all the same."""
        self._held = held
        if self.conversation is not None and self.talk and self.conversation is self.talk.conversation:
            self.conversation.hold(held)
        else:
            self.journal.note(self._loop.time(), "hold" if held else "unhold")

    def digit(self, digit: str, duration_ms: int) -> None:
        """A key of the caller. The one for a person works whatever the model is doing, unless it is part of
        a number (``Keys.wanted``)."""
        if self._partner:
            return  # what people type to each other is not ours
        brief = self.talk.brief if self.talk else self.brief
        operator = brief.operator if brief else None
        talk = self.conversation if self.talk and self.conversation is self.talk.conversation else None
        if operator and digit == operator.key and not (talk and talk.keys.wanted):
            log.info("operator_key")
            self.journal.note(self._loop.time(), "leaving", operator.departure.reason)
            self.gone(operator.departure)
        elif talk is not None:
            talk.digit(digit, duration_ms)

    @property
    def keys_are_private(self) -> bool:
        """What the caller types is a card's number."""
        return self.conversation is not None and self.conversation.keys.private

    def gone(self, departure: Departure) -> None:
        """The caller hung up, the channel vanished, or somebody ends the call at once."""
        if self.conversation is not None:
            self.conversation.gone(departure)
        self._end(self._apart(departure.by) if self._partner else departure)

    def _warn(self) -> None:
        if self.talk is not None and self.talk.conversation is not None:
            seconds = self._house.settings.calls.warn_before_s
            self.talk.conversation.mention(WARN_OF_LIMIT.format(seconds))

    def _time_is_up(self) -> None:
        if not self._partner:  # people may talk as long as they like
            self.leave(Departure("hangup", "bot", "max_call_seconds", say=GOODBYE_AT_LIMIT))

    def shut_down(self) -> None:
        """The service stops: a word, and callers go on in the dialplan, those we called hang up. Two people
        who talk are left to themselves."""
        if self._partner:
            self._end(self._apart("bot"))
            return
        why, inbound = "shutdown", self.order is None
        say = WORD_AT_SHUTDOWN.format("Please hold the line." if inbound else "Goodbye.")
        self.leave(
            Departure("continue" if inbound else "hangup", "bot", why, say=say, variables=refused(why))
        )

    def leave(self, departure: Departure) -> None:
        """End the call in order, whoever has the line; when nobody has, whoever gets it next."""
        self._wish = departure
        if self.desk.consultation is not None and not self._partner:
            self.desk.consultation.give(Input.WITHDRAW)
        elif self.conversation is not None:
            self.conversation.leave(departure)
        elif self.talk is None or self._partner:
            self._end(self._apart(departure.by) if self._partner else departure)

    def _end(self, departure: Departure) -> None:
        if not self._ended.done():
            self._ended.set_result(self._fit(departure))

    def _fit(self, departure: Departure) -> Departure:
        """Whom we have called came from no dialplan in which he could go on, but may be sent to a place."""
        nowhere = departure.context is None and departure.exten is None
        if self.order is not None and departure.kind == "continue" and nowhere:
            return replace(departure, kind="hangup")
        return departure

    # ------------------------------------------------------------------ for the record

    @property
    def recording(self) -> str:
        return self.line.recording if self.line else ""

    def silent_s(self) -> float:
        """Seconds since Asterisk last sent a packet, while it has any to send."""
        return self.line.silent_s() if self.line else 0.0

    def quality(self) -> dict[str, Any]:
        """Counts of both ways of the voice, for the call's record (docs/records.md)."""
        if self.talk is None or self.talk.conversation is None or self.line is None:
            return {}
        talk, phone = self.talk.conversation.quality(), phone_leg(self.leg.rtp_statistics)
        heard = uplink_mos(talk, phone.get("rtt_ms"))
        return talk | {"rejected": self.line.socket.rejected, "mos": heard, "phone_leg": phone}

    def now(self) -> float:
        return self._loop.time()

    # ------------------------------------------------------------------ tasks and release

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._group is not None
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _release(self, departure: Departure) -> None:
        self.journal.note(self._loop.time(), "ended", departure.reason)
        if self.line is not None:
            self.line.leave()
        for task in tuple(self._tasks):
            task.cancel()
        await self.leg.release(departure)
        await self._close_media()

    async def _close_media(self) -> None:
        if self.line is not None:
            await self.line.close()
        talks, self._talks = self._talks, []
        for talk in talks:
            await talk.close()


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Carry ``work`` out even when the service stops in the middle of it."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def refused(why: str) -> dict[str, str]:
    """The channel variable that tells the dialplan why the bot let a call go."""
    return {"VOICEBOT_REFUSED": why}


MODEL_LOST = Departure("continue", "model", "model_lost", variables=refused("model"))
