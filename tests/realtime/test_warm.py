"""The pool of warm sessions, against the embedded model and against servers that misbehave."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import orjson
import pytest
from websockets.asyncio.server import ServerConnection, serve

from bot.errors import ModelError
from bot.offline import OfflineParams, OfflineServer
from bot.realtime import warm
from bot.realtime.client import Endpoint, RealtimeClient
from bot.realtime.dialects import SessionRequest
from bot.realtime.warm import WarmSessions

REQUEST = SessionRequest(instructions="Be kind.", voice="marin")


async def until(condition: Callable[[], Any], timeout: float = 5.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def pool(url: str, size: int = 1) -> AsyncIterator[WarmSessions]:
    sessions = WarmSessions(f"{url}?model=offline", {}, 2.0, size)
    running = asyncio.create_task(sessions.run())
    try:
        yield sessions
    finally:
        running.cancel()
        await asyncio.wait([running])
        assert sessions.ready == 0, "what was open is closed"


def client(url: str) -> RealtimeClient:
    return RealtimeClient(Endpoint(f"{url}?model=offline", {}, "ga", 2.0), REQUEST, lambda event: None)


async def misbehaving(peer: ServerConnection, first: bool) -> None:
    """The first connection dies at its first message, the others do as they are told."""
    await peer.send(b'{"type":"session.created","session":{}}', text=True)
    async for message in peer:
        if first:
            await peer.close(1001)
            return
        session = orjson.loads(message)["session"]
        await peer.send(orjson.dumps({"type": "session.updated", "session": session}), text=True)


@asynccontextmanager
async def serving(*, refuse: bool = False) -> AsyncIterator[tuple[str, list[int]]]:
    """The address, and a list that grows with each connection; ``refuse`` closes each, as for a bad key."""
    seen: list[int] = []
    numbers = count()

    async def handler(peer: ServerConnection) -> None:
        seen.append(next(numbers))
        if refuse:
            await peer.close(3000)
        else:
            await misbehaving(peer, first=seen[-1] == 0)

    async with serve(handler, "127.0.0.1", 0, compression=None, close_timeout=0.2) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/v1/realtime", seen


async def test_a_call_takes_one_and_another_is_opened_in_its_place() -> None:
    async with OfflineServer(OfflineParams(scripted=True)) as server, pool(server.url, 2) as sessions:
        await until(lambda: sessions.ready == 2)
        taken = sessions.take()
        assert taken is not None
        caller = client(server.url)
        await caller.connect(taken)
        assert caller.session.body["instructions"] == "Be kind."
        await until(lambda: sessions.ready == 2)
        await caller.close()


async def test_one_that_the_server_has_closed_is_not_given_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "PAUSE_S", 0.01)
    async with (
        OfflineServer(OfflineParams(scripted=True, session_s=0.2)) as server,
        pool(server.url) as sessions,
    ):
        await until(lambda: sessions.ready)
        old = sessions._ready[0]
        await until(old.socket.closed.done)
        await until(lambda: sessions.ready and sessions._ready[0] is not old)
        assert sessions.take() is not old


async def test_one_is_refreshed_before_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "REFRESH_S", 0.1)
    async with OfflineServer(OfflineParams(scripted=True)) as server, pool(server.url) as sessions:
        await until(lambda: sessions.ready)
        old = sessions._ready[0]
        await until(lambda: sessions.ready and sessions._ready[0] is not old)
        assert old.socket.closed.done()


async def test_one_that_turns_out_to_be_dead_costs_no_call(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving() as (url, seen), pool(url) as sessions:
        await until(lambda: sessions.ready)
        caller = client(url)
        await caller.connect(sessions.take())
        assert len(seen) >= 2
        await caller.close()
    output = capsys.readouterr()
    assert "warm_session_dead" in output.out + output.err


async def test_an_empty_pool_is_no_obstacle() -> None:
    async with OfflineServer(OfflineParams(scripted=True)) as server, pool(server.url, 0) as sessions:
        caller = client(server.url)
        await caller.connect(sessions.take())
        await caller.close()


async def test_a_service_that_refuses_is_asked_ever_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong key shows after the handshake: without a pause the pool would knock without end."""
    monkeypatch.setattr(warm, "PAUSE_S", 0.05)
    async with serving(refuse=True) as (url, seen), pool(url) as sessions:
        await asyncio.sleep(0.6)
        assert 1 <= len(seen) <= 5
        assert sessions.take() is None


async def test_without_a_server_the_call_is_told_the_reason() -> None:
    async with serving() as (url, _):
        pass
    async with pool(url) as sessions:
        with pytest.raises(ModelError, match="cannot reach"):
            await client(url).connect(sessions.take())


async def test_settings_that_are_refused_are_not_tried_twice(capsys: pytest.CaptureFixture[str]) -> None:
    nested = {"type": "function", "function": {"name": "hangup_call"}}
    request = SessionRequest(instructions="", voice="marin", tools=(nested,))
    async with OfflineServer(OfflineParams(scripted=True)) as server, pool(server.url) as sessions:
        await until(lambda: sessions.ready)
        caller = RealtimeClient(
            Endpoint(f"{server.url}?model=offline", {}, "ga"), request, lambda event: None
        )
        with pytest.raises(ModelError, match="refused the session's settings"):
            await caller.connect(sessions.take())
    output = capsys.readouterr()
    assert "warm_session_dead" not in output.out + output.err
