"""Connections to the model that are open before anybody calls, so that a call need not wait for one.

The session is nobody's until a call takes it: its settings are sent then. The pool is a help and never a
condition: a call that finds it empty, or takes a connection that turns out to be dead, opens one of its own.
"""

import asyncio
from collections.abc import Mapping

from bot.errors import ModelError
from bot.log import get_logger
from bot.realtime.socket import WebSocket, connect

log = get_logger("openai")

#: A session lives 60 minutes at OpenAI, and the call that takes one wants most of them.
REFRESH_S = 600.0
#: After a failure, doubled with each up to the longest.
PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0


class WarmSession:
    """``held``: what the server has said so far, for the call that takes it."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.held: list[bytes] = []
        self.greeted: asyncio.Future[None] = loop.create_future()
        self.taken: asyncio.Future[None] = loop.create_future()
        self.socket: WebSocket

    def hold(self, message: bytes) -> None:
        self.held.append(message)
        if not self.greeted.done():
            self.greeted.set_result(None)


class WarmSessions:
    """``size`` of them are kept open while ``run`` runs."""

    def __init__(self, url: str, headers: Mapping[str, str], connect_timeout: float, size: int) -> None:
        self._where = url, headers
        self._connect_timeout = connect_timeout
        self._size = size
        self._ready: list[WarmSession] = []

    @property
    def ready(self) -> int:
        return len(self._ready)

    def take(self) -> WarmSession | None:
        """The youngest that lives; it is the caller's from now on, and another is opened in its place."""
        while self._ready:
            session = self._ready.pop()
            session.taken.set_result(None)
            if not session.socket.closed.done():
                return session
        return None

    async def run(self) -> None:
        """Until cancelled; what is open then is closed."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._size):
                group.create_task(self._keep_one())

    async def _keep_one(self) -> None:
        pause = PAUSE_S
        while True:
            try:
                session = await self._open()
                if await self._watch(session):
                    pause = PAUSE_S
                    continue
                log.info("warm_session_closed", code=session.socket.close_code)
            except ModelError as error:
                log.warning("warm_session_failed", error=str(error))
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def _open(self) -> WarmSession:
        """Raises ModelError; also when the server does not say a word."""
        session = WarmSession()
        session.socket = await connect(*self._where, session.hold, self._connect_timeout)
        waiting: set[asyncio.Future[None]] = {session.greeted, session.socket.closed}
        await asyncio.wait(waiting, timeout=self._connect_timeout, return_when=asyncio.FIRST_COMPLETED)
        if not session.greeted.done():
            await session.socket.close(0)
            raise ModelError("the model took the connection and said nothing", retry=True)
        return session

    async def _watch(self, session: WarmSession) -> bool:
        """Whether it was taken, or has served its time; not when the server has closed it."""
        self._ready.append(session)
        try:
            async with asyncio.TaskGroup() as group:
                alive = group.create_task(session.socket.keep_alive())
                await asyncio.wait(
                    [alive, session.taken], timeout=REFRESH_S, return_when=asyncio.FIRST_COMPLETED
                )
                alive.cancel()
            return session.taken.done() or not session.socket.closed.done()
        finally:
            if not session.taken.done():
                self._ready.remove(session)
                await session.socket.close()
