"""All calls: events of Asterisk find their call, new callers are let in or sent on, leftovers removed."""

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

import structlog

from bot.ari import events
from bot.ari.models import Channel
from bot.call.call import Call, refused
from bot.call.consult import Consultation
from bot.call.house import House
from bot.call.outbound import Allowance, Order, dialled, unanswered
from bot.call.ports import Departure
from bot.call.transfer import NORMAL
from bot.errors import AriError, AriRefused, OrderRefused, ProtocolError
from bot.log import get_logger

log = get_logger("controller")

#: With no event socket and no packet from Asterisk for this long, a call is over.
LOST_AFTER_S = 10.0
WATCH_EVERY_S = 2.0
#: A caller in our app whose StasisStart has not come by then was left by an earlier run.
ORPHANED_AFTER_S = 1.0
#: A busy Asterisk is given so long.
LOOK_AGAIN_AFTER_S = 10.0
#: What follows the app's name in the ids that ``Leg`` gives.
LEG_ID = r"-(?P<call>\d{8}-\d{6}-[0-9a-f]{8})-(?P<what>media|bridge|out|second-\d+)"

CALLER_HUNG_UP = Departure("hangup", "caller", "caller hung up")
LOST = Departure("hangup", "asterisk", "the connection to Asterisk was lost")


def new_id() -> str:
    """A call's id: when it began (local time), and enough to tell it from others of that second."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"


class Observer(Protocol):
    """Told of each call; the records and the metrics (``app`` brings it)."""

    async def began(self, call: Call) -> None: ...
    async def ended(self, call: Call) -> None: ...
    def refused(self, why: str) -> None: ...


class Controller:
    """``on_event`` and ``on_state`` are the ARI client's callbacks; ``run`` owns every call's task;
    ``on_gone`` is told after each call how many are in progress."""

    def __init__(self, observer: Observer, on_gone: Callable[[int], None]) -> None:
        self.calls: dict[str, Call] = {}
        self.draining = False
        self._observer = observer
        self._on_gone = on_gone
        self._by_channel: dict[str, Call] = {}
        #: Whom an earlier run connected: a channel → its partner, and their bridge.
        self._pairs: dict[str, tuple[str, str]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._look_at = float("inf")  # when Asterisk is asked again what is there

    async def run(self, house: House) -> None:
        """Until cancelled; then every call is let go in order before it returns."""
        self._house = house
        self._allowance = Allowance(house.settings.outbound)
        self._ours = re.compile(re.escape(house.ari.app) + LEG_ID)
        async with asyncio.TaskGroup() as self._group:
            try:
                await self._watch()
            finally:
                for call in self.calls.values():
                    call.interruption = "shutdown"

    async def drain(self, timeout: float, last_word: float) -> None:
        """Let no new call in. The present ones may end by themselves for ``timeout`` seconds; the rest are
        told that they must go, which may take ``last_word`` seconds."""
        self.draining = True
        if await self._idle_within(timeout):
            return
        log.warning("drain_timeout", calls=len(self.calls))
        for call in tuple(self.calls.values()):
            call.shut_down()
        if not await self._idle_within(last_word):
            log.warning("last_word_timeout", calls=len(self.calls))

    async def _idle_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        return self._idle.is_set()

    # ------------------------------------------------------------------ Asterisk's events

    def on_state(self, connected: bool) -> None:
        """The event socket came or went; what happened while it was gone is found out by looking."""
        if connected:
            self._spawn(self._reconcile())

    def on_event(self, event: events.Event | events.UnknownEvent) -> None:
        match event:
            case events.StasisStart():
                self._stasis_start(event)
            case events.StasisEnd() | events.ChannelDestroyed() | events.ChannelHangupRequest():
                call = self._by_channel.get(event.channel.id)
                if call is not None and event.channel.id == call.leg.caller_id:
                    self._left(call, event)
                elif consultation := self._consultation(event.channel.id):
                    consultation.ended(getattr(event, "cause", None) or NORMAL)
                else:
                    self._pair_parted(event.channel.id)
            case events.ChannelHold() | events.ChannelUnhold():
                call = self._by_channel.get(event.channel.id)
                if call is not None:
                    call.hold(isinstance(event, events.ChannelHold))
            case events.ChannelDtmfReceived():
                call = self._by_channel.get(event.channel.id)
                if consultation := self._consultation(event.channel.id):
                    consultation.digit(event.digit)
                elif call is not None:
                    call.digit(event.digit, event.duration_ms)
            case events.ApplicationReplaced():
                log.error("application_replaced", remedy="another bot took this Stasis app; name them apart")
            case _:
                pass

    def _stasis_start(self, event: events.StasisStart) -> None:
        channel = event.channel
        call = self._by_channel.get(channel.id)
        if call is not None and channel.id == call.leg.media_id:
            call.leg.media_started.set()
        elif call is not None and channel.id == call.leg.caller_id and call.order is not None:
            call.leg.entered.put_nowait(event.args)
        elif event.replace_channel is not None and event.replace_channel.id in self._by_channel:
            self._replace(event.replace_channel.id, channel)
        elif consultation := self._consultation(channel.id):
            consultation.answered()
        elif self._ours.fullmatch(channel.id):
            self._spawn(self._discard(channel.id))  # ExternalMedia of a call that ended meanwhile
        else:
            self._arrived(channel, event.args)

    def _left(self, call: Call, event: events.Event) -> None:
        """The person on the phone is gone, was never there, or is with Asterisk's AMD for a moment."""
        if isinstance(event, events.StasisEnd) and call.leg.detecting:
            return
        if call.order is None or call.journal.answered is not None or call.leg.detecting:
            call.gone(CALLER_HUNG_UP)
        elif isinstance(event, events.ChannelDestroyed):
            call.gone(Departure("hangup", "caller", unanswered(event.cause, rang_out=call.rang_out)))

    def _consultation(self, channel_id: str) -> Consultation | None:
        """What a destination's channel belongs to; the id that ``Leg`` gave it names the call."""
        match = self._ours.fullmatch(channel_id)
        call = self.calls.get(match["call"]) if match else None
        consultation = call.desk.consultation if call is not None else None
        return consultation if consultation is not None and consultation.channel_id == channel_id else None

    def _replace(self, old_id: str, channel: Channel) -> None:
        """An attended transfer to the bot: the call lives on under a new channel id."""
        call = self._by_channel.pop(old_id)
        call.leg.caller_id = channel.id
        self._by_channel[channel.id] = call
        log.info("channel_replaced", call_id=call.id, channel=channel.id)

    # ------------------------------------------------------------------ one call

    def _arrived(self, channel: Channel, args: tuple[str, ...]) -> None:
        if why := self._full():
            self._spawn(self._send_on(channel.id, why))
            return
        self._take(Call(self._house, new_id(), channel, args))

    def place(self, order: Order) -> Call:
        """Begin an outbound call. Raises OrderRefused."""
        if why := self._full():
            kind = "draining" if why == "draining" else "too_many"
            raise OrderRefused(kind, f"no call can begin now ({why})")
        outbound = sum(call.order is not None for call in self.calls.values())
        self._allowance.take(order.endpoint, outbound, time.monotonic())
        call_id, limits = new_id(), self._house.settings.outbound
        channel = dialled(f"{self._house.ari.app}-{call_id}-out", limits.caller_id, order.endpoint)
        call = Call(self._house, call_id, channel, (), order)
        self._take(call)
        return call

    def _take(self, call: Call) -> None:
        self.calls[call.id] = call
        self._by_channel[call.leg.caller_id] = self._by_channel[call.leg.media_id] = call
        self._idle.clear()
        self._spawn(self._serve(call))

    async def _serve(self, call: Call) -> None:
        """The boundary of a call: whatever goes wrong in it stays in it."""
        structlog.contextvars.bind_contextvars(call_id=call.id)
        log.info("call_began", caller=call.channel.caller.number, dialled=call.channel.dialplan.exten)
        try:
            await self._observer.began(call)
            await call.run()
        except Exception:
            log.exception("call_failed")
        finally:
            self._forget(call)
            if call.leg.unreleased:
                self._look_again()
            call.ended_at = time.time()
            await self._write_down(call)
            self._on_gone(len(self.calls))

    async def _write_down(self, call: Call) -> None:
        try:
            await self._observer.ended(call)
        except Exception:  # the books of one call must not end the others
            log.exception("call_not_written_down")

    def _full(self) -> str:
        if self.draining:
            return "draining"
        return "max_calls" if len(self.calls) >= self._house.settings.calls.max_calls else ""

    def _forget(self, call: Call) -> None:
        self.calls.pop(call.id, None)
        for channel_id in [key for key, value in self._by_channel.items() if value is call]:
            del self._by_channel[channel_id]
        if not self.calls:
            self._idle.set()

    async def _send_on(self, channel_id: str, why: str) -> None:
        """Not our call: the dialplan goes on, and a channel variable says why."""
        log.warning("call_refused", why=why)
        self._observer.refused(why)
        channels = self._house.ari.channels
        try:
            for name, value in refused(why).items():
                await channels.set_channel_var(channel_id, name, value)
            await channels.continue_in_dialplan(channel_id)
        except AriError as error:
            log.warning("refusal_failed", error=str(error))

    # ------------------------------------------------------------------ what nobody told us

    async def _watch(self) -> None:
        """While Asterisk is out of reach only its packets show that a call still lives."""
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            if self._house.ari.connected:
                if time.monotonic() >= self._look_at:
                    self._look_at = float("inf")
                    await self._reconcile()
                continue
            for call in tuple(self.calls.values()):
                if call.silent_s() > LOST_AFTER_S:
                    call.gone(LOST)

    async def _reconcile(self) -> None:
        """After a (re)connection: calls whose caller is gone end, and what an earlier run left is removed."""
        ari = self._house.ari
        # Who comes, or is called, while we ask is not in the answer, and is well.
        known = [
            (call, call.leg.caller_id, call.leg.second_there)
            for call in self.calls.values()
            if call.leg.there
        ]
        try:
            alive = {channel.id for channel in await ari.channels.list()}
            bridges = {bridge.id: bridge.channels for bridge in await ari.bridges.list()}
            in_stasis = (await ari.applications.get()).channel_ids
        except (AriError, ProtocolError) as error:
            log.warning("reconcile_failed", error=str(error))
            if isinstance(error, AriError) and error.retry:
                self._look_again()
            return
        for call, caller_id, second in known:
            if caller_id not in alive:
                call.gone(LOST)
            elif second and second not in alive and call.desk.consultation is not None:
                call.desk.consultation.ended(NORMAL)
        ours = {name for call in self.calls.values() for name in call.leg.ids()}
        ours |= self._adopt_pairs({name: bridges[name] for name in bridges.keys() - ours})
        for channel_id in alive - ours:
            if self._ours.fullmatch(channel_id):
                await self._discard(channel_id)
        for bridge_id in bridges.keys() - ours:
            if self._ours.fullmatch(bridge_id):
                await self._quietly(ari.bridges.destroy, bridge_id)
        await asyncio.sleep(ORPHANED_AFTER_S)
        for channel_id in alive.intersection(in_stasis):
            known_now = channel_id in self._by_channel or channel_id in self._pairs
            just_left = any(channel_id == caller_id for _, caller_id, _ in known)  # for the dialplan
            if not (known_now or just_left or self._ours.fullmatch(channel_id)):
                await self._send_on(channel_id, "lost")

    def _look_again(self) -> None:
        """Asterisk was too busy to answer, or to let go of all that a call had made: once, for all calls."""
        self._look_at = time.monotonic() + LOOK_AGAIN_AFTER_S

    def _adopt_pairs(self, bridges: dict[str, tuple[str, ...]]) -> set[str]:
        """Two people whom an earlier run connected go on talking; when one leaves, so does the other."""
        adopted: set[str] = set()
        for bridge_id, members in bridges.items():
            media = f"{bridge_id.removesuffix('bridge')}media"
            if self._ours.fullmatch(bridge_id) and len(members) == 2 and media not in members:
                first, second = members
                self._pairs |= {first: (second, bridge_id), second: (first, bridge_id)}
                adopted |= {first, second, bridge_id}
                log.info("pair_adopted", bridge=bridge_id)
        return adopted

    def _pair_parted(self, channel_id: str) -> None:
        partner, bridge_id = self._pairs.pop(channel_id, ("", ""))
        if partner:
            self._pairs.pop(partner, None)
            self._spawn(self._discard(partner))
            self._spawn(self._quietly(self._house.ari.bridges.destroy, bridge_id))

    async def _discard(self, channel_id: str) -> None:
        await self._quietly(self._house.ari.channels.hangup, channel_id)

    async def _quietly(self, request: Callable[[str], Coroutine[Any, Any, None]], name: str) -> None:
        try:
            await request(name)
            log.info("leftover_removed", id=name)
        except AriRefused:
            pass
        except AriError as error:
            log.warning("leftover_stays", id=name, error=str(error))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._group is not None
        self._group.create_task(work)
