"""MCP servers: one connection each, kept up in the background, and their tools as functions of the model.

A server that is away costs a log line, not a call: its tools are not offered, and one that is called all the
same answers so. The ``mcp`` package is an extra; the configuration's check says when it is missing.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from bot.call.ports import CallControl
from bot.config.settings import McpServer
from bot.log import get_logger
from bot.tools.base import ToolResult, failed, told

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import CallToolResult
    from mcp.types import Tool as Described

log = get_logger("tools")

CONNECT_WITHIN_S = 10.0
#: A connection says nothing by itself when its server is gone, so it is asked.
ASK_EVERY_S = 20.0
RETRY_AFTER_S = (1.0, 2.0, 5.0, 10.0, 30.0)
MAX_DESCRIPTION_CHARS = 1000
#: With one of these at the top, OpenAI refuses the session and all its tools.
NOT_AT_THE_TOP = ("oneOf", "anyOf", "allOf", "enum", "not")
AWAY = "this is not reachable now"


class McpFunction:
    """One tool of a server, under the name that the model knows."""

    def __init__(self, server: "McpConnection", name: str, described: "Described") -> None:
        self.name = name
        self.description = (described.description or described.name)[:MAX_DESCRIPTION_CHARS]
        self.parameters: dict[str, Any] = described.input_schema
        self.timeout_s = server.timeout_s
        self._server = server
        self._tool = described.name

    async def run(self, call: CallControl, arguments: dict[str, Any]) -> ToolResult:
        return await self._server.call(self._tool, arguments)


class McpConnection:
    """``run`` it as a task. ``offered`` are its tools now, none while it is away; ``functions`` all so far.

    ``name_for(tool)`` gives the name under which a tool is offered, the same one every time. The server
    ``before`` this one in the file goes first when names are given.
    """

    def __init__(
        self,
        name: str,
        server: McpServer,
        name_for: Callable[[str], str],
        before: "McpConnection | None" = None,
    ) -> None:
        self.name = name
        self.timeout_s = server.timeout
        self.functions: dict[str, McpFunction] = {}
        self.offered: dict[str, McpFunction] = {}
        self.tried = asyncio.Event()
        self._server = server
        self._name_for = name_for
        self._before = before
        self._client: Client | None = None
        self._ask = asyncio.Event()

    async def call(self, tool: str, arguments: dict[str, Any]) -> ToolResult:
        from mcp import MCPError
        from mcp.types import CONNECTION_CLOSED

        if self._client is None:
            return failed(AWAY, "tell the caller that it is not available at the moment")
        try:
            return _result(await self._client.call_tool(tool, arguments))
        except MCPError as error:
            self._ask.set()
            log.warning("mcp_tool_failed", server=self.name, tool=tool, error=error.message)
            what = AWAY if error.code == CONNECTION_CLOSED else error.message[:200]
            return failed(what, "tell the caller that it did not work")

    async def run(self) -> None:
        """Connect, stay connected, connect again; until cancelled."""
        logging.getLogger("mcp").setLevel(logging.CRITICAL)  # what matters is told here, in one line
        failures = 0
        while True:
            try:
                await self._stay_connected()
            except Exception as error:  # the boundary of a server: whatever it does ends here
                failures = 0 if self._client is not None else failures
                if failures == 0:
                    log.warning("mcp_server_away", server=self.name, reason=_reason(error))
            finally:
                self._client, self.offered = None, {}
            self.tried.set()
            await asyncio.sleep(RETRY_AFTER_S[min(failures, len(RETRY_AFTER_S) - 1)])
            failures += 1

    async def _stay_connected(self) -> None:
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                client = await self._connect(stack)
            if self._before is not None:
                await self._before.tried.wait()
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await self._list(client)
            self._client = client
            self.tried.set()
            log.info("mcp_server_connected", server=self.name, tools=sorted(self.offered))
            while True:
                self._ask.clear()
                try:
                    async with asyncio.timeout(ASK_EVERY_S):
                        await self._ask.wait()
                except TimeoutError:
                    pass
                async with asyncio.timeout(CONNECT_WITHIN_S):
                    await self._list(client)

    async def _connect(self, stack: AsyncExitStack) -> "Client":
        import httpx2
        from mcp import Client, StdioServerParameters
        from mcp.client.streamable_http import streamable_http_client

        server = self._server
        if server.command:
            env = {key: value.get_secret_value() for key, value in server.env.items()}
            parameters = StdioServerParameters(command=server.command, args=list(server.args), env=env)
            return await stack.enter_async_context(Client(parameters, cache=None))
        headers = {key: value.get_secret_value() for key, value in server.headers.items()}
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=None))
        transport = streamable_http_client(server.url.get_secret_value(), http_client=http)
        return await stack.enter_async_context(Client(transport, cache=None))

    async def _list(self, client: "Client") -> None:
        """Take over the server's tools, page by page, but for those that the model cannot be offered."""
        cursor, there = None, []
        while True:
            page = await client.list_tools(cursor=cursor)
            there += page.tools
            if (cursor := page.next_cursor) is None:
                break
        wanted = [tool for tool in there if self._server.tools is None or tool.name in self._server.tools]
        fit = [tool for tool in wanted if _fit(tool.input_schema)]
        functions = [McpFunction(self, self._name_for(tool.name), tool) for tool in fit]
        self.offered = {function.name: function for function in functions}
        self.functions |= self.offered


def _fit(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "object" and not any(key in schema for key in NOT_AT_THE_TOP)


def _result(result: "CallToolResult") -> ToolResult:
    """Structured content if there is any, else the text; pictures and sounds are nothing for a telephone."""
    text = "\n".join(block.text for block in result.content if block.type == "text")
    if result.is_error:
        return failed(text[:500] or "it did not work", "tell the caller, or try again in another way")
    return told(text if result.structured_content is None else result.structured_content)


def _reason(error: BaseException) -> str:
    """The first cause, in its own words where these hold no address."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_WITHIN_S:g} s"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return getattr(error, "message", "") or type(error).__name__
