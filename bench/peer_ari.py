"""What the bot sees of Asterisk, and no more: ARI over HTTP, its event socket, and channels that obey.

``python -m bench.peer_ari CALLERS_PORT`` prints its HTTP port. ``{"first": 0, "calls": 50, "rate": 50}``
on stdin lets calls come in and answers when the bot has bridged them all: how long each took from
``StasisStart`` on; with ``"do": "leave"`` these callers hang up. The callers' process, whose address every
ExternalMedia channel is given, is told of each by a datagram.
"""

import asyncio
import json
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from aiohttp import web

from bench.child import reply
from bot.preflight import MODULES

APP = "voicebot"
NOW = "2026-01-01T00:00:00.000+0000"
PATIENCE_S = 30.0


def channel(channel_id: str, number: str, state: str, **variables: str) -> dict[str, Any]:
    """A channel as ARI describes it."""
    return {
        "id": channel_id,
        "name": f"Bench/{channel_id}",
        "state": state,
        "protocol_id": "",
        "caller": {"name": "", "number": number},
        "connected": {"name": "", "number": ""},
        "accountcode": "",
        "dialplan": {"context": "bench", "exten": "100", "priority": 1},
        "creationtime": NOW,
        "language": "en",
        "channelvars": variables,
    }


def bridge(bridge_id: str) -> dict[str, Any]:
    return {
        "id": bridge_id,
        "technology": "simple_bridge",
        "bridge_type": "mixing",
        "bridge_class": "stasis",
        "creator": "Stasis",
        "name": "",
        "channels": [],
        "creationtime": NOW,
    }


class Asterisk:
    def __init__(self, callers_port: int) -> None:
        self._callers = ("127.0.0.1", callers_port)
        self._notice = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._events: web.WebSocketResponse | None = None
        self._channels: dict[str, dict[str, Any]] = {}
        self._began: dict[str, float] = {}
        self._setups: list[float] = []
        self._bridged = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        app = web.Application()
        router = app.router
        router.add_get("/ari/events", self._serve_events)
        router.add_get("/ari/asterisk/info", _answering({"system": {"version": "22.0.0"}}))
        router.add_get("/ari/asterisk/modules", self._modules)
        router.add_get("/ari/channels", self._list)
        router.add_get("/ari/bridges", _answering([]))
        router.add_post("/ari/channels/externalMedia", self._external_media)
        router.add_post("/ari/bridges", self._create_bridge)
        router.add_post("/ari/bridges/{id}/addChannel", self._add_channel)
        router.add_delete("/ari/channels/{id}", self._hangup)
        router.add_route("*", "/{path:.*}", self._nothing)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        return port

    async def come_in(self, first: int, calls: int, rate: float) -> list[float]:
        """Milliseconds that each set-up took, of those that were bridged in time."""
        self._setups = []
        self._bridged.clear()
        began = time.monotonic()
        for n in range(calls):
            await asyncio.sleep(max(0.0, began + n / rate - time.monotonic()))
            caller = channel(f"caller-{first + n}", str(first + n), "Ring")
            self._channels[caller["id"]] = caller
            self._began[caller["id"]] = time.monotonic()
            self._send("StasisStart", caller, args=[])
        try:
            async with asyncio.timeout(PATIENCE_S):
                while len(self._setups) < calls:
                    self._bridged.clear()
                    await self._bridged.wait()
        except TimeoutError:
            pass
        return self._setups

    async def leave(self, first: int, calls: int, rate: float) -> None:
        began = time.monotonic()
        for n in range(calls):
            await asyncio.sleep(max(0.0, began + n / rate - time.monotonic()))
            if caller := self._channels.pop(f"caller-{first + n}", None):
                self._send("StasisEnd", caller)
                self._send("ChannelDestroyed", caller, cause=16, cause_txt="Normal Clearing")

    # ------------------------------------------------------------------ requests

    async def _serve_events(self, request: web.Request) -> web.WebSocketResponse:
        self._events = events = web.WebSocketResponse()
        await events.prepare(request)
        async for _ in events:
            pass
        return events

    async def _modules(self, request: web.Request) -> web.Response:
        like = {"description": "", "use_count": 0, "status": "Running", "support_level": "core"}
        return web.json_response([{"name": name, **like} for name in MODULES])

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response(list(self._channels.values()))

    async def _external_media(self, request: web.Request) -> web.Response:
        """The bot's port is kept as the channel's number until it is bridged with a caller."""
        query = request.query
        media = channel(
            query["channelId"],
            query["external_host"].rpartition(":")[2],
            "Up",
            UNICASTRTP_LOCAL_ADDRESS=self._callers[0],
            UNICASTRTP_LOCAL_PORT=str(self._callers[1]),
        )
        self._channels[media["id"]] = media
        self._send("StasisStart", media, args=[])
        return web.json_response(media)

    async def _create_bridge(self, request: web.Request) -> web.Response:
        return web.json_response(bridge(request.query["bridgeId"]))

    async def _add_channel(self, request: web.Request) -> web.Response:
        caller, media = (self._channels[name] for name in request.query["channel"].split(","))
        self._setups.append(round((time.monotonic() - self._began[caller["id"]]) * 1000, 1))
        self._bridged.set()
        notice = {"index": int(caller["caller"]["number"]), "port": int(media["caller"]["number"])}
        self._notice.sendto(json.dumps(notice).encode(), self._callers)
        return web.Response(status=204)

    async def _hangup(self, request: web.Request) -> web.Response:
        gone = self._channels.pop(request.match_info["id"], None)
        return web.Response(status=204 if gone else 404)

    async def _nothing(self, request: web.Request) -> web.Response:
        return web.Response(status=204)

    # ------------------------------------------------------------------ events

    def _send(self, kind: str, about: dict[str, Any], **fields: Any) -> None:
        assert self._events is not None, "the bot has not opened its event socket"
        event = {"type": kind, "application": APP, "timestamp": NOW, "asterisk_id": "bench", "channel": about}
        task = asyncio.get_running_loop().create_task(self._events.send_json({**event, **fields}))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)


def _answering(body: object) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(body)

    return answer


async def serve(callers_port: int) -> None:
    asterisk = Asterisk(callers_port)
    reply({"port": await asterisk.start()})
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    async for line in reader:
        command = json.loads(line)
        calls = command["first"], command["calls"], command["rate"]
        if command.get("do") == "leave":
            await asterisk.leave(*calls)
            reply({})
        else:
            reply({"setups_ms": await asterisk.come_in(*calls)})


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
