"""The voices' way of one call, between Asterisk and whoever has the line: a talk, or for a while nobody."""

import asyncio
import time
from collections.abc import Callable
from typing import Self

from bot.audio.echo import EchoCanceller
from bot.call.brief import Brief
from bot.call.conversation import Conversation
from bot.call.downlink import Downlink
from bot.call.house import House
from bot.call.leg import Leg
from bot.call.rest import Rest
from bot.call.talk import Talk
from bot.call.uplink import Uplink
from bot.log import get_logger
from bot.media.rtp import RtpSocket, open_rtp
from bot.media.silence import why_silent

log = get_logger("call")

DELAY_EVERY_S = 0.5
#: A call that has brought no packet by then is silent for a reason that lies outside.
SILENT_AFTER_S = 3.0


class Line:
    """``open`` it, ``give`` it to a talk or let it ``rest``, and ``close`` it. ``conversation``: of the talk
    that has it."""

    socket: RtpSocket

    def __init__(self, house: House, brief: Brief, call_id: str) -> None:
        self.conversation: Conversation | None = None
        self._house = house
        self._now = asyncio.get_running_loop().time
        self._recorder = house.recorders.open(call_id, brief.codec) if house.recorders else None
        caller, agent = (self._recorder.caller, self._recorder.agent) if self._recorder else (None, None)
        self.uplink = Uplink(brief.uplink, on_frame=caller)
        self.downlink = Downlink(brief.codec, brief.model_codec, brief.sender(), on_frame=agent)
        self._rest: Rest | None = None  # has it while no talk has
        self._last_datagram = self._now()
        self._closed = False

    @classmethod
    async def open(
        cls, house: House, brief: Brief, leg: Leg, call_id: str, failed: Callable[[], None]
    ) -> Self:
        """A port of ours with Asterisk's ExternalMedia at its other end; nobody has the line yet. ``failed``
        is told of a fault meanwhile. Raises ResourceError, AriError and ProtocolError."""
        line = cls(house, brief, call_id)
        rtp = house.settings.media.rtp
        line.socket = open_rtp(house.ports, rtp.bind, rtp.source, line._datagram)
        try:
            remote = await leg.open_media((rtp.external_host, line.socket.port), rtp.codec)
        except BaseException:
            line.socket.close()
            raise
        line.socket.announce(remote)
        line._rest = Rest(line.uplink, line.downlink, line.socket.send, failed)
        return line

    # ------------------------------------------------------------------ who has it

    def give(self, talk: Talk, *, held: bool) -> None:
        """``talk`` has the line from here on; ``held``: the caller has put us on hold."""
        assert talk.conversation is not None
        self.leave()
        self.uplink.retune(talk.brief.uplink.barge_in)
        self.uplink.held = held
        self._last_datagram = self._now()
        self.conversation = talk.conversation
        talk.take_line()
        self._house.pacer.add(self.conversation)

    def rest(self) -> None:
        """No talk has the line for now; its time goes on."""
        if self.conversation is not None:
            assert self._rest is not None
            self.leave()
            self._rest.begin()
            self._house.pacer.add(self._rest)

    def leave(self) -> None:
        """Its time stands still."""
        for line in (self._rest, self.conversation):
            if line is not None:
                self._house.pacer.remove(line)
        self.conversation = None

    async def close(self) -> None:
        """For good; what was recorded is written."""
        if self._closed:
            return
        self._closed = True
        self.leave()
        self.socket.close()
        if self._recorder is not None:
            await self._recorder.close()

    # ------------------------------------------------------------------ what comes

    def _datagram(self, data: bytes) -> None:
        self._last_datagram = self._now()
        if self.conversation is not None:
            self.conversation.datagram(data)
        elif self._rest is not None:
            self._rest.datagram(data, time.monotonic())

    @property
    def recording(self) -> str:
        return str(self._recorder.path) if self._recorder else ""

    def silent_s(self) -> float:
        """Seconds since Asterisk last sent a packet, while it has any to send."""
        return self._now() - self._last_datagram if self.conversation is not None else 0.0

    async def watch_delay(self, echo: EchoCanceller) -> None:
        """A long way shows in the delay estimate, which takes a millisecond: in a thread, off the tick, and
        one call at a time, since many threads would take the core from the clock."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(DELAY_EVERY_S)
            if echo.delays.due:
                async with self._house.estimating:
                    samples = await loop.run_in_executor(None, echo.delays.estimate)
                if samples is not None:
                    echo.set_delay(samples)

    async def watch_arrival(self, leg: Leg) -> None:
        """Says why nothing comes, if nothing does."""
        await asyncio.sleep(SILENT_AFTER_S)
        if not self.socket.heard and self.socket.announced:
            await leg.ask_statistics()
            rtp = self._house.settings.media.rtp
            cause = why_silent(
                (rtp.external_host, self.socket.port),
                self.socket.announced,
                self.socket.stranger,
                rtp.ports,
                leg.rtp_statistics.get("rxcount"),
            )
            log.error("no_audio_from_asterisk", after_s=SILENT_AFTER_S, cause=cause)
