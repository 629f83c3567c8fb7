"""The client against a real HTTP server: credentials, errors, and the life of the event socket."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.ari import AriClient
from bot.ari.client import KEEPALIVE_S, RECONNECT_MAX_S, backoff_ceiling_s
from bot.ari.events import ApplicationReplaced, Event, UnknownEvent
from bot.errors import AriForbidden, AriRefused, AriUnreachable, ConfigError
from tests.fakes.asterisk_http import AsteriskHttp, Request, listen


def replaced(number: int) -> str:
    return json.dumps(
        {"type": "ApplicationReplaced", "application": str(number), "timestamp": "2026-01-02T03:04:05Z"}
    )


class Seen:
    """What the callbacks were given."""

    def __init__(self) -> None:
        self.events: list[Event | UnknownEvent] = []
        self.states: list[bool] = []

    async def until(self, condition: Callable[[], bool], timeout: float = 5.0) -> None:
        async with asyncio.timeout(timeout):
            while not condition():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def running(url: str, seen: Seen, **options: Any) -> AsyncIterator[AriClient]:
    options = {"on_event": seen.events.append, "on_state": seen.states.append, **options}
    async with AriClient(url, "user", "secret", "bot", **options) as ari:
        task = asyncio.create_task(ari.run())
        try:
            yield ari
        finally:
            task.cancel()
            await asyncio.wait([task])


def client(url: str, **options: Any) -> AriClient:
    return AriClient(url, "user", "secret", "bot", on_event=lambda event: None, **options)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answering(status: int, body: bytes = b"") -> Callable[[Request], Awaitable[web.StreamResponse]]:
    async def respond(request: Request) -> web.StreamResponse:
        return web.Response(status=status, body=body)

    return respond


# ---------------------------------------------------------------------------- requests


async def test_credentials_travel_in_the_header_only() -> None:
    asterisk = AsteriskHttp()
    seen = Seen()
    async with asterisk.serve(), running(asterisk.url, seen) as ari:
        await ari.wait_connected(5)
        await ari.channels.answer("c1")
    assert len(asterisk.requests) == len(asterisk.sockets) == 1
    for request in asterisk.requests + asterisk.sockets:
        assert request.authorization == aiohttp.encode_basic_auth("user", "secret")
        assert "secret" not in request.raw
        assert "user" not in request.raw
    assert asterisk.sockets[0].query == {"app": "bot", "subscribeAll": "false"}


@pytest.mark.parametrize("url", ["http://user:secret@127.0.0.1:8088", "127.0.0.1:8088", "ftp://host", ""])
def test_bad_address_is_a_config_error(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        client(url)
    assert caught.value.remedy
    assert "secret" not in str(caught.value)


async def test_refused_credentials() -> None:
    asterisk = AsteriskHttp(on_request=answering(401, b'{"message":"Authentication required"}'))
    async with asterisk.serve(), client(asterisk.url) as ari:
        with pytest.raises(AriForbidden, match="refused the user 'user': Authentication required") as caught:
            await ari.asterisk.get_info()
    assert "ari.conf" in caught.value.remedy
    assert not caught.value.retry


async def test_read_only_user() -> None:
    asterisk = AsteriskHttp(on_request=answering(403, b'{"message":"Write access denied"}'))
    async with asterisk.serve(), client(asterisk.url) as ari:
        with pytest.raises(AriForbidden, match=r"Write access denied.*read_only=no"):
            await ari.channels.answer("c1")


@pytest.mark.parametrize(
    ("status", "body", "words", "retry"),
    [
        (
            404,
            b'{"message":"Channel not found"}',
            "POST /ari/channels/c1/answer: 404 Channel not found",
            False,
        ),
        (409, b'{"error":"taken"}', "409 taken", False),
        (422, b"not json", "422 Unprocessable", False),
        (500, b"[]", "500 Internal Server Error", True),
        (302, b"", "302 Found", False),
    ],
)
async def test_refusal_carries_status_and_asterisks_words(
    status: int, body: bytes, words: str, retry: bool
) -> None:
    asterisk = AsteriskHttp(on_request=answering(status, body))
    async with asterisk.serve(), client(asterisk.url) as ari:
        with pytest.raises(AriRefused, match=words) as caught:
            await ari.channels.answer("c1")
    assert (caught.value.status, caught.value.retry) == (status, retry)
    assert len(asterisk.requests) == 1


async def test_nobody_answers() -> None:
    async with client(f"http://127.0.0.1:{free_port()}") as ari:
        with pytest.raises(AriUnreachable, match="is Asterisk running") as caught:
            await ari.asterisk.get_info()
    assert caught.value.retry


async def test_an_answer_too_late() -> None:
    async def slow(request: Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.Response()

    asterisk = AsteriskHttp(on_request=slow)
    async with asterisk.serve(), client(asterisk.url, request_timeout_s=0.1) as ari:
        with pytest.raises(AriUnreachable, match=r"no answer within 0\.1 s"):
            await ari.asterisk.get_info()


async def test_an_answer_that_is_not_asterisks() -> None:
    asterisk = AsteriskHttp(on_request=answering(200, b"<html>"))
    async with asterisk.serve(), client(asterisk.url) as ari:
        with pytest.raises(AriUnreachable, match="not JSON"):
            await ari.asterisk.get_info()


@pytest.mark.parametrize(("method", "tries"), [("GET", 2), ("POST", 1)])
async def test_broken_connection_is_tried_again_for_get_only(method: str, tries: int) -> None:
    asked = 0

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, client(f"http://127.0.0.1:{port}") as ari:
        with pytest.raises(AriUnreachable):
            await ari.request(method, "asterisk", "info")
    assert asked == tries


async def test_the_pool_is_bounded() -> None:
    at_once = most = 0

    async def respond(request: Request) -> web.StreamResponse:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        return web.Response(status=204)

    asterisk = AsteriskHttp(on_request=respond)
    async with asterisk.serve(), client(asterisk.url, max_connections=3) as ari:
        await asyncio.gather(*(ari.channels.answer(f"c{i}") for i in range(20)))
    assert most == 3
    assert len(asterisk.requests) == 20


def test_idle_connections_go_before_asterisk_closes_them() -> None:
    assert KEEPALIVE_S < 15  # http.conf: session_keep_alive


async def test_outside_of_its_context_it_says_so() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await client("http://127.0.0.1:1").asterisk.get_info()


# ---------------------------------------------------------------------------- the event socket


async def test_events_arrive_in_order_and_bad_ones_harm_nothing() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        for number in range(100):
            await ws.send_str(replaced(number))
            if number == 50:
                await ws.send_str("{not json")
                await ws.send_str('{"type": "BrandNew", "n": 1}')
        await listen(ws)

    asterisk = AsteriskHttp(on_socket=talk)
    seen = Seen()
    async with asterisk.serve(), running(asterisk.url, seen) as ari:
        await seen.until(lambda: len(seen.events) == 101)
        assert ari.connected
    numbers = [e.application for e in seen.events if isinstance(e, ApplicationReplaced)]
    assert numbers == [str(n) for n in range(100)]
    assert seen.events[51] == UnknownEvent(type="BrandNew", data={"type": "BrandNew", "n": 1})


async def test_failing_handlers_do_not_end_the_socket() -> None:
    async def talk(ws: web.WebSocketResponse) -> None:
        for number in range(3):
            await ws.send_str(replaced(number))
        await listen(ws)

    given: list[str] = []

    def fail(event: Event | UnknownEvent) -> None:
        given.append(event.type)
        raise ZeroDivisionError

    def fail_state(connected: bool) -> None:
        raise ZeroDivisionError

    asterisk = AsteriskHttp(on_socket=talk)
    seen = Seen()
    async with asterisk.serve(), running(asterisk.url, seen, on_event=fail, on_state=fail_state) as ari:
        await seen.until(lambda: len(given) == 3)
        assert ari.connected
    assert len(asterisk.sockets) == 1


async def test_a_quiet_socket_outlives_the_request_time_limit() -> None:
    asterisk = AsteriskHttp()
    seen = Seen()
    async with asterisk.serve(), running(asterisk.url, seen, request_timeout_s=0.1, heartbeat_s=0.1) as ari:
        await ari.wait_connected(5)
        await asyncio.sleep(0.6)
        assert ari.connected
    assert seen.states == [True, False]
    assert len(asterisk.sockets) == 1


async def test_connects_again_after_a_close() -> None:
    async def close_first(ws: web.WebSocketResponse) -> None:
        if len(asterisk.sockets) > 1:
            await listen(ws)

    asterisk = AsteriskHttp(on_socket=close_first)
    seen = Seen()
    async with asterisk.serve(), running(asterisk.url, seen) as ari:
        await seen.until(lambda: seen.states == [True, False, True])
        assert ari.connected
        await ari.wait_connected(1)


async def test_survives_a_restart_of_asterisk() -> None:
    port = free_port()
    seen = Seen()
    async with running(f"http://127.0.0.1:{port}", seen) as ari:
        with pytest.raises(AriUnreachable, match="is Asterisk running"):
            await ari.wait_connected(0.1)
        async with AsteriskHttp().serve(port):
            await ari.wait_connected(10)
        await seen.until(lambda: not ari.connected)
        async with AsteriskHttp().serve(port):
            await ari.wait_connected(10)


async def test_a_frozen_peer_is_noticed() -> None:
    """TCP stays open and takes our pings, nobody answers them."""
    frozen = asyncio.Event()

    async def freeze(ws: web.WebSocketResponse) -> None:
        assert ws._req
        ws._req.protocol.transport.pause_reading()  # type: ignore[union-attr]
        await frozen.wait()

    asterisk = AsteriskHttp(on_socket=freeze)
    seen = Seen()
    async with asterisk.serve():
        try:
            async with running(asterisk.url, seen, heartbeat_s=0.4) as ari:
                await ari.wait_connected(5)
                began = time.monotonic()
                await seen.until(lambda: seen.states[:2] == [True, False])
                noticed_s = time.monotonic() - began
        finally:
            frozen.set()
    assert 0.4 <= noticed_s < 1.0


def test_the_default_heartbeat_notices_within_ten_seconds() -> None:
    ari = client("http://127.0.0.1:1")
    # A ping after that time, half of it again for the pong, and aiohttp rounds both up to full seconds.
    assert ari._heartbeat_s * 1.5 + 2 < 10


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_socket_ends_run(status: int) -> None:
    asterisk = AsteriskHttp(refuse_sockets_with=status)
    async with asterisk.serve(), client(asterisk.url) as ari:
        with pytest.raises(AriForbidden, match=r"ari\.conf"):
            await asyncio.wait_for(ari.run(), 5)
        with pytest.raises(AriForbidden):
            await ari.wait_connected(5)
    assert len(asterisk.sockets) == 1


async def test_missing_ari_is_retried_and_named() -> None:
    asterisk = AsteriskHttp(refuse_sockets_with=404)
    seen = Seen()
    async with asterisk.serve(), running(asterisk.url, seen) as ari:
        with pytest.raises(AriUnreachable, match=r"HTTP 404.*res_ari"):
            await ari.wait_connected(0.2)
        asterisk.refuse_sockets_with = None
        await ari.wait_connected(5)


async def test_wait_connected_without_run_says_what_is_missing() -> None:
    async with client("http://127.0.0.1:1") as ari:
        with pytest.raises(AriUnreachable, match=r"run\(\)"):
            await ari.wait_connected(0.01)


async def test_waits_grow_while_connections_do_not_last(monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[float] = []

    async def close(ws: web.WebSocketResponse) -> None:
        times.append(time.monotonic())

    monkeypatch.setattr("bot.ari.client.random.uniform", lambda low, high: high)
    asterisk = AsteriskHttp(on_socket=close)
    seen = Seen()
    async with asterisk.serve(), running(asterisk.url, seen):
        await seen.until(lambda: len(times) == 4)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps == pytest.approx([0.2, 0.4, 0.8], abs=0.15)


async def test_a_good_connection_starts_the_waits_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lives too short, then one that lasted: the wait after it is the shortest again."""
    waits: list[float] = []

    def draw(low: float, high: float) -> float:
        waits.append(high)
        return 0.0

    async def live(ws: web.WebSocketResponse) -> None:
        if len(asterisk.sockets) == 3:
            await asyncio.sleep(0.3)

    monkeypatch.setattr("bot.ari.client.random.uniform", draw)
    monkeypatch.setattr("bot.ari.client.RECONNECT_MAX_S", 0.25)
    asterisk = AsteriskHttp(on_socket=live)
    seen = Seen()
    async with asterisk.serve(), running(asterisk.url, seen):
        await seen.until(lambda: len(waits) >= 4)
    assert waits[:4] == [0.2, 0.25, 0.2, 0.25]


def test_waits_are_bounded() -> None:
    ceilings = [backoff_ceiling_s(attempt) for attempt in (0, 1, 2, 3, 4, 5, 10_000)]
    assert ceilings == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, RECONNECT_MAX_S, RECONNECT_MAX_S])


async def test_leaving_closes_everything_at_once() -> None:
    asterisk = AsteriskHttp()
    seen = Seen()
    async with asterisk.serve():
        async with running(asterisk.url, seen) as ari:
            await ari.wait_connected(5)
            await ari.channels.answer("c1")
            began = time.monotonic()
        assert time.monotonic() - began < 0.5
        assert not ari.connected
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
