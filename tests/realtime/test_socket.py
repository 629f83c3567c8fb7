"""The task-free WebSocket against the ``websockets`` package's own server."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from socket import SO_LINGER, SOL_SOCKET
from typing import cast

import pytest
import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from bot.errors import ModelError
from bot.realtime import socket
from bot.realtime.socket import connect

Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler, **options: object) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", 0, compression=None, close_timeout=0.2, **options) as server:  # type: ignore[arg-type]
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/v1/realtime?model=m"


async def echo(peer: ServerConnection) -> None:
    try:
        async for message in peer:
            await peer.send(message)
    except ConnectionClosed:
        pass


async def until(condition: Callable[[], bool], timeout: float = 3.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)


async def test_messages_go_both_ways_in_order() -> None:
    heard: list[bytes] = []
    async with serving(echo) as url:
        ws = await connect(url, {}, heard.append, 2)
        for n in range(200):
            ws.send(b"%d " % n + b"x" * (n * 37 % 70_000))
        await until(lambda: len(heard) == 200)
        await ws.close()
    assert [int(message.split()[0]) for message in heard] == list(range(200))
    assert ws.close_code == 1000


async def test_headers_and_query_are_sent() -> None:
    seen: list[Request] = []

    async def note(peer: ServerConnection) -> None:
        assert peer.request is not None
        seen.append(peer.request)

    async with serving(note) as url:
        ws = await connect(url, {"Authorization": "Bearer secret"}, lambda message: None, 2)
        await until(ws.closed.done)
    assert seen[0].path == "/v1/realtime?model=m"
    assert seen[0].headers["Authorization"] == "Bearer secret"
    assert "Sec-WebSocket-Extensions" not in seen[0].headers


async def test_fragments_become_one_message() -> None:
    heard: list[bytes] = []

    async def in_pieces(peer: ServerConnection) -> None:
        async def pieces() -> AsyncIterator[str]:
            for piece in ("one ", "two ", "three"):
                yield piece

        await peer.send(pieces())
        await peer.wait_closed()

    async with serving(in_pieces) as url:
        ws = await connect(url, {}, heard.append, 2)
        await until(lambda: bool(heard))
        await ws.close()
    assert heard == [b"one two three"]


@pytest.mark.parametrize(("code", "reason"), [(1001, "session over"), (3000, "invalid_api_key"), (4004, "")])
async def test_the_peers_close_is_told(code: int, reason: str) -> None:
    async with serving(lambda peer: peer.close(code, reason)) as url:
        ws = await connect(url, {}, lambda message: None, 2)
        await asyncio.wait_for(ws.keep_alive(), 3)
    assert (ws.close_code, ws.close_reason) == (code, reason)


async def test_a_lost_connection_is_1006() -> None:
    async def vanish(peer: ServerConnection) -> None:
        peer.transport.abort()

    async with serving(vanish) as url:
        ws = await connect(url, {}, lambda message: None, 2)
        await asyncio.wait_for(ws.keep_alive(), 3)
    assert ws.close_code == 1006


async def test_a_peer_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "PING_EVERY_S", 0.1)
    monkeypatch.setattr(socket, "PONG_WITHIN_S", 0.2)

    async def freeze(peer: ServerConnection) -> None:
        peer.transport.pause_reading()
        await asyncio.sleep(2)

    async with serving(freeze) as url:
        ws = await connect(url, {}, lambda message: None, 2)
        await asyncio.wait_for(ws.keep_alive(), 1.5)
    assert ws.close_code == 1006


async def test_a_peer_that_answers_pings_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "PING_EVERY_S", 0.05)
    monkeypatch.setattr(socket, "PONG_WITHIN_S", 0.5)
    async with serving(echo) as url:
        ws = await connect(url, {}, lambda message: None, 2)
        alive = asyncio.create_task(ws.keep_alive())
        await asyncio.sleep(0.5)
        assert not alive.done()
        await ws.close()
        await alive


async def test_a_peer_that_does_not_read_ends_the_connection() -> None:
    async def deaf(peer: ServerConnection) -> None:
        peer.transport.pause_reading()
        await asyncio.sleep(5)

    async with serving(deaf) as url:
        ws = await connect(url, {}, lambda message: None, 2)
        for _ in range(200):
            ws.send(bytes(100_000))
            if ws.closed.done():
                break
            await asyncio.sleep(0)
        await asyncio.wait_for(ws.keep_alive(), 2)


@pytest.mark.parametrize(
    ("status", "retry", "words"),
    [(401, False, "openai.api_key"), (404, False, "openai.model"), (503, True, "503")],
)
async def test_a_refused_handshake_says_what_to_do(status: int, retry: bool, words: str) -> None:
    def refuse(peer: ServerConnection, request: Request) -> Response:
        return peer.respond(status, "no")

    async with serving(echo, process_request=refuse) as url:
        with pytest.raises(ModelError, match=words) as caught:
            await connect(url, {"Authorization": "Bearer secret"}, lambda message: None, 2)
    assert caught.value.retry is retry
    assert "secret" not in str(caught.value)


async def test_nobody_there() -> None:
    with pytest.raises(ModelError, match=r"openai\.base_url") as caught:
        await connect("ws://127.0.0.1:9/v1/realtime", {}, lambda message: None, 2)
    assert caught.value.retry


async def test_a_server_that_never_answers() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(ModelError, match="did not answer"):
            await connect(f"ws://127.0.0.1:{port}/", {}, lambda message: None, 0.3)


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
@pytest.mark.parametrize("answers", [True, False], ids=["after the handshake", "before it"])
def test_a_peer_that_is_gone_without_a_word_costs_nothing(answers: bool, reset: bool) -> None:
    """On uvloop, whose transports raise where asyncio's only warn."""

    async def leaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answers:
            protocol = ServerProtocol()
            protocol.receive_data(await reader.readuntil(b"\r\n\r\n"))
            (request,) = protocol.events_received()
            protocol.send_response(protocol.accept(cast(Request, request)))
            writer.writelines(protocol.data_to_send())
            await writer.drain()
            await asyncio.sleep(0.02)
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, linger)
        writer.close()

    async def work() -> None:
        server = await asyncio.start_server(leaves, "127.0.0.1", 0)
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            socket = await connect(url, {}, lambda message: None, 5)
        except ModelError:
            assert not answers
        else:
            assert answers
            for _ in range(20):
                socket.send(b"{}")
                await asyncio.sleep(0.005)
            await asyncio.wait_for(socket.closed, 5)
            await asyncio.sleep(0.01)
            socket.send(b"{}")
            await socket.close()
        server.close()

    for _ in range(20):  # the order of what happens is the kernel's
        uvloop.run(work())
