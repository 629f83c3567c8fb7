"""The RTP socket of a call: one UDP port for both ways, and whose packets it takes.

Asterisk names the only address its packets may come from (``UNICASTRTP_LOCAL_ADDRESS`` and ``_PORT``);
with ``source: first`` the first sender is believed instead, for a NAT in between.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from functools import partial
from typing import Literal, cast

from bot.errors import ResourceError
from bot.log import get_logger

log = get_logger("rtp")

Address = tuple[str, int]


class PortPool:
    """The local ports that calls may use, each given to one call at a time, the longest free first."""

    def __init__(self, first: int, last: int) -> None:
        # Even ports only: RFC 3550 section 11 leaves the odd one above to RTCP.
        self._free = list(range(first + first % 2, last + 1, 2))
        self.size = len(self._free)

    def take(self) -> int:
        if not self._free:
            raise ResourceError(
                f"all {self.size} RTP ports are in use", remedy="widen media.rtp.ports", retry=True
            )
        return self._free.pop(0)

    def give_back(self, port: int) -> None:
        self._free.append(port)

    @property
    def free(self) -> int:
        return len(self._free)


class RtpSocket(asyncio.DatagramProtocol):
    """Datagrams of the right source go to ``on_datagram``; ``rejected`` counts the others."""

    def __init__(
        self,
        pool: PortPool,
        port: int,
        source: Literal["announced", "first"],
        on_datagram: Callable[[bytes], None],
    ) -> None:
        self.port = port
        self.rejected = 0
        self.stranger: Address | None = None  # who was rejected last, after Asterisk named its address
        self._pool = pool
        self._source_rule = source
        self._on_datagram = on_datagram
        self._remote: Address | None = None
        self.announced: Address | None = None
        self._latched = False
        self._given_back = False
        self._transport: asyncio.DatagramTransport | None = None

    def announce(self, remote: Address) -> None:
        """The address that Asterisk named for its end: where we send, and whom we believe."""
        self.announced = remote
        if not self._latched:
            self._remote = remote

    @property
    def heard(self) -> bool:
        """Whether a packet of the right source has come."""
        return self._latched

    def send(self, packet: bytes) -> None:
        if self._transport is not None and self._remote is not None:
            self._transport.sendto(packet, self._remote)

    def close(self) -> None:
        """Close, and give the port back; once."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        if not self._given_back:
            self._given_back = True
            self._pool.give_back(self.port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # uvloop's is none by inheritance

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if addr != self._remote and (addr := addr[:2]) != self._remote:  # IPv6 has more
            if self._latched or self._source_rule != "first":
                self.rejected += 1
                self.stranger = addr if self.announced else None
                return
            log.warning("rtp_source_differs", announced=self.announced, taken=addr)
            self._remote = addr
        self._latched = True
        self._on_datagram(data)

    def error_received(self, exc: Exception) -> None:
        log.debug("rtp_error", error=str(exc))


async def open_rtp(
    pool: PortPool,
    host: str,
    source: Literal["announced", "first"],
    on_datagram: Callable[[bytes], None],
) -> RtpSocket:
    """A bound socket on a free port of the pool. Raises ResourceError when there is none."""
    loop = asyncio.get_running_loop()
    for _ in range(pool.size):
        endpoint = RtpSocket(pool, pool.take(), source, on_datagram)
        try:
            bound = _bound(host, endpoint.port)
            await loop.create_datagram_endpoint(partial(_itself, endpoint), sock=bound)
            return endpoint
        except OSError as error:
            endpoint.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise ResourceError(
                    f"cannot bind UDP {host}:{endpoint.port} ({error})", remedy="check media.rtp.bind"
                ) from error
        except BaseException:  # the call was ended meanwhile
            endpoint.close()
            raise
    raise ResourceError(
        f"no free UDP port on {host}", remedy="widen media.rtp.ports, or see what holds them", retry=True
    )


def _itself(endpoint: RtpSocket) -> RtpSocket:
    return endpoint


def _bound(host: str, port: int) -> socket.socket:
    """By hand, because uvloop's own error does not tell a port that is taken from any other."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.bind((host, port))
    except BaseException:
        bound.close()
        raise
    bound.setblocking(False)
    return bound
