"""A relay between Asterisk and the bot, for the media of each call: a network that loses and delays.

Asterisk is told that the bot is at 127.0.0.2; the relay is there, on the bot's own port numbers, and passes
everything on to 127.0.0.1 and back. The bot has to believe the first sender (``media.rtp.source: first``).
"""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial
from random import Random
from typing import Any, cast

from tests.e2e.asterisk import HarnessError
from tests.e2e.proxy import Address, Impairment, Spoiler

NEAR, FAR = "127.0.0.1", "127.0.0.2"


class _Port(asyncio.DatagramProtocol):
    """One call's: what does not come from the bot comes from Asterisk."""

    transport: asyncio.DatagramTransport

    def __init__(self, port: int, to_bot: Impairment, seed: int) -> None:
        self._bot = (NEAR, port)
        self._asterisk: Address | None = None
        self._to_bot = to_bot
        self._spoiler = Spoiler(Random(seed))
        self.from_bot: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if addr == self._bot:
            self.from_bot.append(data)
            if self._asterisk:
                self.transport.sendto(data, self._asterisk)
            return
        self._asterisk = addr
        now = time.monotonic()
        loop = asyncio.get_running_loop()
        for due, late in self._spoiler.fate(self._to_bot, data, now):
            loop.call_later(due - now, self.transport.sendto, late, self._bot)


class Between:
    """``with Between(calls, to_bot=Impairment(loss=0.03)) as between``: ``settings`` is the bot's block
    ``media.rtp``.
    """

    def __init__(self, calls: int, *, to_bot: Impairment) -> None:
        self._calls, self._to_bot = calls, to_bot
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="between", daemon=True)
        self._ports: list[_Port] = []
        self.settings: dict[str, str] = {}

    def __enter__(self) -> Between:
        self._thread.start()
        first = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(5)
        ports = f"{first}-{first + 2 * self._calls + 1}"
        self.settings = {"bind": NEAR, "external_host": FAR, "ports": ports, "source": "first"}
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def from_bot(self) -> list[bytes]:
        """The datagrams that the bot sent by way of here, those of one call after another."""
        return [data for port in self._ports for data in port.from_bot]

    async def _open(self) -> int:
        """Even ports in a row, one a call and one to spare, that nobody holds; the first of them."""
        choose = Random()
        for _ in range(50):
            first = choose.randrange(20_000, 31_000, 2)
            try:
                for seed, port in enumerate(range(first, first + 2 * self._calls + 2, 2)):
                    _, opened = await self._loop.create_datagram_endpoint(
                        partial(_Port, port, self._to_bot, seed), local_addr=(FAR, port)
                    )
                    self._ports.append(opened)
                return first
            except OSError:
                self._close()
        raise HarnessError(f"no free ports on {FAR}")

    def _close(self) -> None:
        for port in self._ports:
            port.transport.close()
        self._ports.clear()
