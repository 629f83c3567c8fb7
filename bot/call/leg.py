"""The phone's side of one call, as requests to Asterisk: caller channel, mixing bridge, ExternalMedia.

Ids are chosen here before anything is created, so no event can arrive for an unknown channel.
"""

import asyncio
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from bot.ari import AriClient
from bot.call.ports import Departure
from bot.config.settings import DIAL_CONTEXT, OUT_CONTEXT
from bot.errors import AriError, AriRefused, ProtocolError
from bot.log import get_logger
from bot.media.rtp import Address

log = get_logger("call")

#: ExternalMedia enters Stasis within milliseconds; so long means that it never will.
MEDIA_START_WITHIN_S = 5.0
#: Asterisk's AMD listens for 5 s at the most, by its own default.
AMD_WITHIN_S = 10.0
AMD_CONTEXT = "voicebot-amd"
#: Each request of the release; a hung Asterisk must not hold our side back.
RELEASE_WITHIN_S = 3.0
#: Figures for the record are not worth waiting for.
STATISTICS_WITHIN_S = 1.0

T = TypeVar("T")


class Leg:
    """``caller_id`` changes when an attended transfer puts the call onto another channel. ``second``: a
    destination that is called for the caller; empty while there is none."""

    def __init__(self, ari: AriClient, call_id: str, caller_id: str, *, there: bool = True) -> None:
        self.caller_id = caller_id
        self.there = there  # False: we are to call them, and have not dialled yet
        self.media_id = f"{ari.app}-{call_id}-media"
        self.bridge_id = f"{ari.app}-{call_id}-bridge"
        self.media_started = asyncio.Event()
        self.detecting = False  # the called party is in the dialplan, with Asterisk's AMD
        self.entered: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()  # arguments of each of its StasisStart
        self.rtp_statistics: dict[str, Any] = {}  # of the caller's channel, when last asked
        self.second = ""
        self.unreleased = False  # Asterisk took too long: something of ours may be left there
        self.aside = False  # the caller is out of the bridge, and hears music
        self._ari = ari
        self._made: dict[str, asyncio.Task[Any]] = {}

    def ids(self) -> tuple[str, ...]:
        """Of all that it made, or is about to make."""
        return self.caller_id, self.media_id, self.bridge_id, self.second

    async def variables(self, names: tuple[str, ...]) -> dict[str, str]:
        """Channel variables of the caller; those that are not set are left out."""
        found = {}
        for name in names:
            with suppress(AriRefused):
                found[name] = await self._ari.channels.get_channel_var(self.caller_id, name)
        return found

    async def ring(self) -> None:
        await self._ari.channels.ring(self.caller_id)

    async def answer(self) -> None:
        await self._ari.channels.answer(self.caller_id)

    async def call_out(self, endpoint: str, caller_id: str, ring_timeout_s: int) -> None:
        """Have the dialplan dial, and return when somebody or something has answered. Nobody answering ends
        the call from outside (ChannelDestroyed, with the cause). ``/n``: as below. Raises AriError."""
        await self._make(
            self.caller_id,
            self._ari.channels.originate(
                f"Local/s@{OUT_CONTEXT}/n",
                channel_id=self.caller_id,
                caller_id=caller_id or None,
                timeout_s=ring_timeout_s,
                # Whom the dialplan is to dial, if it allows that, and whom AMD gives them back to.
                variables={"VOICEBOT_ENDPOINT": endpoint, "VOICEBOT_APP": self._ari.app},
            ),
        )
        self.there = True
        await self.entered.get()

    async def person_or_machine(self) -> str:
        """``person``, ``machine`` or ``unknown``, says Asterisk's AMD in the dialplan. Raises AriError."""
        self.detecting = True
        try:
            await self._ari.channels.continue_in_dialplan(
                self.caller_id, context=AMD_CONTEXT, extension="s", priority=1
            )
            async with asyncio.timeout(AMD_WITHIN_S):
                args = await self.entered.get()
        except TimeoutError as error:
            raise AriError(f"the call did not come back from {AMD_CONTEXT}") from error
        finally:
            self.detecting = False
        return {"HUMAN": "person", "MACHINE": "machine"}.get(args[1] if len(args) > 1 else "", "unknown")

    async def open_media(self, local: Address, codec: str) -> Address:
        """Bridge the caller with an ExternalMedia channel that sends to ``local``; returns its address.

        Raises AriError; what was made so far is undone by ``release``.
        """
        await self._make(self.bridge_id, self._ari.bridges.create(self.bridge_id, type="mixing"))
        external_host = f"{local[0]}:{local[1]}"
        media = await self._make(
            self.media_id,
            self._ari.channels.external_media(self.media_id, external_host=external_host, format=codec),
        )
        try:
            async with asyncio.timeout(MEDIA_START_WITHIN_S):
                await self.media_started.wait()
        except TimeoutError as error:
            raise AriError("the ExternalMedia channel never entered Stasis", retry=True) from error
        names = media.channelvars
        return names["UNICASTRTP_LOCAL_ADDRESS"], int(names["UNICASTRTP_LOCAL_PORT"])

    async def connect(self) -> None:
        """Caller and agent hear each other from here on."""
        await self._ari.bridges.add_channel(self.bridge_id, self.caller_id, self.media_id)

    async def ask_statistics(self) -> None:
        """The phone's figures, as Asterisk has them. Of a channel that is gone the last ones stay."""
        with suppress(AriError, ProtocolError, TimeoutError):
            async with asyncio.timeout(STATISTICS_WITHIN_S):
                answer = await self._ari.channels.rtpstatistics(self.caller_id)
                self.rtp_statistics = answer or self.rtp_statistics

    async def send_digits(self, digits: str, tone_ms: int) -> None:
        """Tones to the caller's end, with as long a gap after each; returns when Asterisk has begun."""
        await self._ari.channels.send_dtmf(self.caller_id, digits, duration_ms=tone_ms, between_ms=tone_ms)

    # ------------------------------------------------------------------ a second party

    def second_id(self, attempt: int) -> str:
        return self.media_id.replace("-media", f"-second-{attempt}")

    async def hold(self) -> None:
        """The caller hears music, and nothing of the bridge."""
        self.aside = True
        await self._ari.bridges.remove_channel(self.bridge_id, self.caller_id)
        await self._ari.channels.start_moh(self.caller_id)

    async def call_second(self, channel_id: str, name: str, ring_s: int, caller_id: str) -> None:
        """Ring the destination ``name``, which the dialplan knows. ``/n``: the channel stays the one that we
        asked for, however the dialplan goes on behind it."""
        self.second = channel_id
        request = self._ari.channels.originate(
            f"Local/{name}@{DIAL_CONTEXT}/n",
            channel_id=channel_id,
            originator=self.caller_id,
            caller_id=caller_id or None,
            timeout_s=ring_s,
        )
        await self._make(channel_id, request)

    @property
    def second_there(self) -> str:
        """The destination's channel, once Asterisk has said that it made it."""
        made = self._made.get(self.second)
        there = made is not None and made.done() and not made.cancelled() and made.exception() is None
        return self.second if there else ""

    async def admit_second(self) -> None:
        """The destination and the agent hear each other."""
        await self._ari.bridges.add_channel(self.bridge_id, self.second)

    async def connect_second(self) -> None:
        """Caller and destination hear each other."""
        await self.take_back()

    async def drop_media(self) -> None:
        """The agent is out of it. Never raises AriError."""
        await self._quietly(self._ari.channels.hangup(self.media_id))

    async def drop_second(self) -> None:
        """Hang up on the destination, or stop its ringing. Never raises AriError."""
        if self.second:
            _, late = await asyncio.wait([self._made[self.second]], timeout=RELEASE_WITHIN_S)
            self.unreleased = self.unreleased or bool(late)
            await self._quietly(self._ari.channels.hangup(self.second))
            self.second = ""

    async def take_back(self) -> None:
        """The caller hears whoever is in the bridge again."""
        await self._ari.channels.stop_moh(self.caller_id)
        await self._ari.bridges.add_channel(self.bridge_id, self.caller_id)
        self.aside = False

    # ------------------------------------------------------------------ the end

    async def release(self, departure: Departure) -> None:
        """Let the caller go as ``departure`` says, then undo what this leg made. Never raises AriError."""
        if departure.kind == "connected" and departure.by == "bot":
            return
        await self.drop_second()
        # What was asked for is there, or refused, before it is undone: a request may still be under way.
        if not self.there:
            await self._settled()
        if departure.by != "caller":
            if self.media_id in self._made:
                await self.ask_statistics()
            await self._let_go(departure)
        await self._settled()
        if self.media_id in self._made:
            await self._quietly(self._ari.channels.hangup(self.media_id))
        if self.bridge_id in self._made:
            await self._quietly(self._ari.bridges.destroy(self.bridge_id))

    async def _settled(self) -> None:
        if self._made:
            _, late = await asyncio.wait(self._made.values(), timeout=RELEASE_WITHIN_S)
            self.unreleased = self.unreleased or bool(late)

    async def _make(self, name: str, request: Coroutine[Any, Any, T]) -> T:
        """A request that goes on to its answer even when the call ends meanwhile."""
        task = self._made[name] = asyncio.create_task(request)
        task.add_done_callback(_seen)
        return await asyncio.shield(task)

    async def _let_go(self, departure: Departure) -> None:
        if departure.kind == "continue" and await self._continue(departure):
            return
        await self._quietly(self._ari.channels.hangup(self.caller_id, reason="normal"))

    async def _continue(self, departure: Departure) -> bool:
        if self.aside:  # the music would go on in the dialplan
            await self._quietly(self._ari.channels.stop_moh(self.caller_id))
        for name, value in departure.variables.items():
            await self._quietly(self._ari.channels.set_channel_var(self.caller_id, name, value))
        return await self._quietly(
            self._ari.channels.continue_in_dialplan(
                self.caller_id,
                context=departure.context,
                extension=departure.exten,
                priority=departure.priority,
            )
        )

    async def _quietly(self, request: Awaitable[object]) -> bool:
        """Whether it worked. What is already gone needs no release."""
        try:
            async with asyncio.timeout(RELEASE_WITHIN_S):
                await request
        except AriRefused as error:
            if error.status != 404:
                log.warning("release_refused", error=str(error))
            return False
        except (AriError, TimeoutError) as error:
            self.unreleased = True
            log.warning("release_failed", error=str(error) or f"no answer within {RELEASE_WITHIN_S:g} s")
            return False
        return True


def _seen(task: asyncio.Task[Any]) -> None:
    """When the call has ended meanwhile nobody else asks what came of it."""
    if not task.cancelled():
        task.exception()
