"""A web server that misbehaves in the ways that web servers do; used by unit and end-to-end tests."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from aiohttp import web


class WebService:
    """``with WebService() as service: service.url``: on loopback, in a thread of its own.

    ``/orders/{number}`` answers by ``number``: a way of misbehaving (below), else an order. ``seen`` holds
    every request; ``dropped`` is set when a client went away before it was answered.
    """

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.dropped = threading.Event()
        self.release = threading.Event()
        self.replies: dict[str, Any] = {}
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> WebService:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._answer)
        runner = web.AppRunner(app, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._up.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(
            {
                "method": request.method,
                "path": request.raw_path,
                "headers": dict(request.headers),
                "body": await request.text(),
            }
        )
        how = request.path.rpartition("/")[2]
        match how:
            case "slow":
                try:
                    while not self.release.is_set():
                        await asyncio.sleep(0.02)
                except asyncio.CancelledError:
                    self.dropped.set()
                    raise
            case "reset":
                assert request.transport is not None
                request.transport.abort()
            case "half":
                response = web.StreamResponse(headers={"Content-Length": "1000"})
                await response.prepare(request)
                await response.write(b'{"status":')
                assert request.transport is not None
                request.transport.abort()
                return response
            case "500":
                return web.Response(status=500, text="a traceback with a password")
            case "page":
                return web.Response(text="<html>not found</html>", content_type="text/html")
            case "elsewhere":
                return web.Response(status=302, headers={"Location": f"{self.url}/orders/7"})
            case "nothing":
                return web.Response(status=204)
            case "huge":
                response = web.StreamResponse()
                await response.prepare(request)
                try:
                    while True:
                        await response.write(b'["' + bytes(65536).replace(b"\0", b"x") + b'"]')
                except (ConnectionError, asyncio.CancelledError):
                    self.dropped.set()
                    raise
            case "long":
                return web.json_response({"status": "x" * 10_000})
        return web.json_response(self.replies.get(how, {"status": "shipped", "lines": [{"name": "bell"}]}))
