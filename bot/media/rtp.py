"""The RTP socket of a call: one UDP port for both ways, and whose packets it takes.

Asterisk names the only address its packets may come from (``UNICASTRTP_LOCAL_ADDRESS`` and ``_PORT``);
with ``source: first`` the first sender is believed instead, for a NAT in between.
"""

import asyncio
import errno
import selectors
import socket
from collections.abc import Callable
from typing import Literal

from bot.errors import ResourceError
from bot.log import get_logger

log = get_logger("rtp")

Address = tuple[str, int]

ROUND_S = 0.002
AT_ONCE = 2
"""Datagrams of one call in one round: one would keep a queue that a stall has left, many would keep the clock
waiting."""
DATAGRAM_BYTES = 2048
"""More than an Ethernet frame carries."""


class RtpReader:
    """Reads the sockets of all calls together: when a packet comes, and in rounds of 2 ms while more come. To
    wake up for each costs more (docs/decisions/0010-rtp-is-read-in-rounds.md).
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, endpoint: socket.socket, read: Callable[[], None]) -> None:
        self._selector.register(endpoint, selectors.EVENT_READ, read)
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._wait(self._loop)

    def remove(self, endpoint: socket.socket) -> None:
        self._selector.unregister(endpoint)

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.add_reader(self._selector.fileno(), self._woken, loop)

    def _woken(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.remove_reader(self._selector.fileno())
        self._round(loop)

    def _round(self, loop: asyncio.AbstractEventLoop) -> None:
        if not (ready := self._selector.select(0)):
            self._wait(loop)
            return
        loop.call_later(ROUND_S, self._round, loop)
        for _ in range(AT_ONCE):
            for key, _ in ready:
                key.data()
            if not (ready := self._selector.select(0)):
                break


class PortPool:
    """The local ports that calls may use, each given to one call at a time, the longest free first."""

    def __init__(self, first: int, last: int) -> None:
        # Even ports only: RFC 3550 section 11 leaves the odd one above to RTCP.
        self._free = list(range(first + first % 2, last + 1, 2))
        self.size = len(self._free)
        self.reader = RtpReader()

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


class RtpSocket:
    """Datagrams of the right source go to ``on_datagram``; ``rejected`` counts the others."""

    def __init__(
        self,
        pool: PortPool,
        port: int,
        bound: socket.socket,
        source: Literal["announced", "first"],
        on_datagram: Callable[[bytes], None],
    ) -> None:
        self.port = port
        self._socket: socket.socket | None = bound
        self.rejected = 0
        self.stranger: Address | None = None  # who was rejected last, after Asterisk named its address
        self._pool = pool
        self._source_rule = source
        self._on_datagram = on_datagram
        self._remote: Address | None = None
        self.announced: Address | None = None
        self._latched = False
        pool.reader.add(bound, self._read)

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
        if self._socket is None or self._remote is None:
            return
        try:
            self._socket.sendto(packet, self._remote)
        except OSError as error:  # what is late is of no use
            log.debug("rtp_error", error=str(error))

    def close(self) -> None:
        """Close, and give the port back; once."""
        if self._socket is not None:
            self._pool.reader.remove(self._socket)
            self._socket.close()
            self._socket = None
            self._pool.give_back(self.port)

    def _read(self) -> None:
        if self._socket is None:  # closed by what came for another call, a moment ago
            return
        try:
            data, addr = self._socket.recvfrom(DATAGRAM_BYTES)
        except OSError as error:
            log.debug("rtp_error", error=str(error))
            return
        if addr != self._remote and (addr := addr[:2]) != self._remote:  # IPv6 has more
            if self._latched or self._source_rule != "first":
                self.rejected += 1
                self.stranger = addr if self.announced else None
                return
            log.warning("rtp_source_differs", announced=self.announced, taken=addr)
            self._remote = addr
        self._latched = True
        try:
            self._on_datagram(data)
        except Exception:  # one call's fault must not silence the others
            log.exception("datagram_failed")


def open_rtp(
    pool: PortPool,
    host: str,
    source: Literal["announced", "first"],
    on_datagram: Callable[[bytes], None],
) -> RtpSocket:
    """A bound socket on a free port of the pool. Raises ResourceError when there is none."""
    for _ in range(pool.size):
        port = pool.take()
        try:
            return RtpSocket(pool, port, _bound(host, port), source, on_datagram)
        except OSError as error:
            pool.give_back(port)
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise ResourceError(
                    f"cannot bind UDP {host}:{port} ({error})", remedy="check media.rtp.bind"
                ) from error
    raise ResourceError(
        f"no free UDP port on {host}", remedy="widen media.rtp.ports, or see what holds them", retry=True
    )


def _bound(host: str, port: int) -> socket.socket:
    """Raises OSError, with EADDRINUSE for a port that somebody else holds."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.bind((host, port))
    except BaseException:
        bound.close()
        raise
    bound.setblocking(False)
    return bound
