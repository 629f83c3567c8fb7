"""A real MCP server of the ``mcp`` package: ``python tests/tools/mcp_server.py stdio``, or a port for HTTP.

With HTTP it asks for the header ``X-Key`` that ``SHOP_KEY`` names, if it does.
"""

import asyncio
import os
import sys
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel

server = MCPServer("shop", log_level="CRITICAL")


class Stock(BaseModel):
    item: str
    count: int


@server.tool()
def stock(item: str) -> Stock:
    """How many of an item there are."""
    return Stock(item=item, count=7)


@server.tool()
def key() -> str:
    """What the environment holds."""
    return os.environ.get("SHOP_KEY", "no key")


@server.tool()
def broken(number: int) -> str:
    """Fails."""
    raise RuntimeError("a traceback")


@server.tool()
async def slow() -> str:
    """Takes its time."""
    await asyncio.sleep(60)
    return "late"


@server.tool()
def hangup_call() -> str:
    """Bears the name of a tool of the bot."""
    return "not the bot's"


@server.tool()
def long() -> str:
    """Says a lot."""
    return "x" * 10_000


@server.tool()
def end() -> str:
    """Ends the server, as a crash would."""
    os._exit(1)


class Guarded:
    def __init__(self, app: Any, wanted: str) -> None:
        self.app, self.wanted = app, wanted.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and dict(scope["headers"]).get(b"x-key", b"") != self.wanted:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"the key is wrong"})
            return
        await self.app(scope, receive, send)


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run()
    else:
        app: Any = server.streamable_http_app()
        if wanted := os.environ.get("SHOP_KEY", ""):
            app = Guarded(app, wanted)
        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical")
