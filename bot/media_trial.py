"""Does audio go to Asterisk and come back? Tried without a call, by ``voicebot check --live``.

Two ExternalMedia channels ring towards two sockets of ours: that is Asterisk's way to us. Then both are
bridged, and what one socket sends must come out at the other: that is our way to Asterisk, and back.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.ari import AriClient
from bot.ari.events import Event, StasisStart, UnknownEvent
from bot.audio.g711 import CODECS
from bot.call.leg import Leg
from bot.call.ports import Departure
from bot.config.settings import Rtp
from bot.errors import AriError
from bot.media.rtp import Address, PortPool, RtpSocket, open_rtp
from bot.media.silence import why_silent
from bot.rtp.sender import RtpSender

WITHIN_S = 3.0
FRAME_S = 0.02
#: Of every packet we send: no sound of Asterisk's is like it.
PATTERN = bytes(range(160))
OVER = Departure("hangup", "caller", "trial")


class MediaTrial:
    """``on_event`` is the ARI client's callback; ``run`` it once, on an app that serves no calls."""

    def __init__(self, rtp: Rtp) -> None:
        self._rtp = rtp
        self._legs: dict[str, Leg] = {}

    def on_event(self, event: Event | UnknownEvent) -> None:
        if isinstance(event, StasisStart) and event.channel.id in self._legs:
            self._legs[event.channel.id].media_started.set()

    async def run(self, ari: AriClient) -> None:
        """Raises AriError that names the likely cause, ResourceError when no port is free."""
        first, last = map(int, self._rtp.ports.split("-"))
        pool = PortPool(first, last)
        async with self._end(ari, pool, "one") as one, self._end(ari, pool, "other", one.leg) as other:
            for end in (one, other):
                await ari.channels.ring(end.leg.media_id)
            for end in (one, other):
                await self._wait_heard(end)
                await ari.channels.ring_stop(end.leg.media_id)
            await other.leg.connect()
            await self._wait_returned(one, other)

    @asynccontextmanager
    async def _end(
        self, ari: AriClient, pool: PortPool, name: str, caller: Leg | None = None
    ) -> AsyncIterator["_End"]:
        """A socket and its ExternalMedia channel, to be bridged with that of ``caller``."""
        leg = Leg(ari, name, caller.media_id if caller else "")
        self._legs[leg.media_id] = leg
        end = _End(leg)
        end.socket = open_rtp(pool, self._rtp.bind, self._rtp.source, end.datagram)
        try:
            end.announced = await leg.open_media((self._rtp.external_host, end.socket.port), self._rtp.codec)
            end.socket.announce(end.announced)
            yield end
        finally:
            await leg.release(OVER)
            end.socket.close()

    async def _wait_heard(self, end: "_End") -> None:
        try:
            async with asyncio.timeout(WITHIN_S):
                await end.heard.wait()
        except TimeoutError:
            external = self._rtp.external_host, end.socket.port
            cause = why_silent(external, end.announced, end.socket.stranger, self._rtp.ports)
            raise AriError(f"Asterisk's audio does not arrive: {cause}") from None

    async def _wait_returned(self, one: "_End", other: "_End") -> None:
        sender = RtpSender(CODECS[self._rtp.codec].payload_type, ssrc=1, sequence=0, timestamp=0)
        for _ in range(round(WITHIN_S / FRAME_S)):
            one.socket.send(sender.packet(PATTERN))
            await asyncio.sleep(FRAME_S)
            if other.returned:
                return
        host, port = one.announced
        raise AriError(
            "our audio does not reach Asterisk, though its own arrives",
            remedy=f"let UDP from us to {host}:{port} through, and all the ports of Asterisk's rtp.conf",
        )


class _End:
    socket: RtpSocket
    announced: Address

    def __init__(self, leg: Leg) -> None:
        self.leg = leg
        self.heard = asyncio.Event()
        self.returned = False

    def datagram(self, data: bytes) -> None:
        self.heard.set()
        self.returned = self.returned or data.endswith(PATTERN)
