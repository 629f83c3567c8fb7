"""The connections to all MCP servers of the configuration, each kept up by a task of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from bot.config.check import KNOWN_TOOLS
from bot.config.own_tools import listed, offered_name, own_tools
from bot.config.settings import Settings
from bot.tools.mcp import McpConnection

#: A service without its MCP servers is better than none: calls are taken after this long in any case.
READY_WITHIN_S = 5.0


@asynccontextmanager
async def mcp_connections(settings: Settings) -> AsyncIterator[list[McpConnection]]:
    """The connections, most of them up already; the others go on trying."""
    names = Names(settings)
    connections: list[McpConnection] = []
    for name, server in settings.mcp_servers.items():
        before = connections[-1] if connections else None
        connections.append(McpConnection(name, server, partial(names.give, name), before))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(connection.run()) for connection in connections]
        tried = [group.create_task(connection.tried.wait()) for connection in connections]
        try:
            if tried:
                await asyncio.wait(tried, timeout=READY_WITHIN_S)
            yield connections
        finally:
            for task in (*tasks, *tried):
                task.cancel()


class Names:
    """One name for one tool for the life of the process, however often its server comes and goes."""

    def __init__(self, settings: Settings) -> None:
        self._fixed = KNOWN_TOOLS.union(own_tools(settings))
        self._given = listed(settings, self._fixed)

    def give(self, server: str, tool: str) -> str:
        taken = self._fixed.union(self._given.values())
        return self._given.setdefault((server, tool), offered_name(server, tool, taken))
