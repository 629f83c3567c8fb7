"""A peer that speaks just enough ARI: it records requests and lets a test misbehave on its event socket."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web


@dataclass(frozen=True)
class Request:
    """One REST request; ``path`` is without ``/ari`` and decoded, ``raw`` as it was on the wire."""

    method: str
    path: str
    raw: str
    query: dict[str, str]
    body: dict[str, Any]
    authorization: str


OnSocket = Callable[[web.WebSocketResponse], Awaitable[None]]
OnRequest = Callable[[Request], Awaitable[web.StreamResponse]]


async def listen(socket: web.WebSocketResponse) -> None:
    """The well-behaved event socket: stays open, says nothing."""
    async for message in socket:
        if message.type is WSMsgType.CLOSE:
            return


async def nothing(request: Request) -> web.StreamResponse:
    return web.Response(status=204)


@dataclass
class AsteriskHttp:
    on_socket: OnSocket = listen
    on_request: OnRequest = nothing
    refuse_sockets_with: int | None = None
    requests: list[Request] = field(default_factory=list)
    sockets: list[Request] = field(default_factory=list)
    url: str = ""

    async def handle(self, http: web.Request) -> web.StreamResponse:
        text = await http.text()
        request = Request(
            method=http.method,
            path=http.path.removeprefix("/ari"),
            raw=http.raw_path,
            query=dict(http.query),
            body=json.loads(text) if text else {},
            authorization=http.headers.get("Authorization", ""),
        )
        if request.path == "/events" and request.method == "GET":
            return await self._serve_socket(http, request)
        self.requests.append(request)
        return await self.on_request(request)

    async def _serve_socket(self, http: web.Request, request: Request) -> web.StreamResponse:
        self.sockets.append(request)
        if self.refuse_sockets_with:
            return web.Response(status=self.refuse_sockets_with)
        socket = web.WebSocketResponse()
        await socket.prepare(http)
        await self.on_socket(socket)
        return socket

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncIterator["AsteriskHttp"]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.2)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", port)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()
