"""The tools of one deployment, and their schemas as the Realtime API wants them: flat."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from bot.config.own_tools import installed
from bot.config.settings import Settings
from bot.tools.attended import AttendedTransfer
from bot.tools.base import Tool
from bot.tools.gather import GatherDigits
from bot.tools.hangup import HangupCall
from bot.tools.http import HttpFunction
from bot.tools.installed import load_function
from bot.tools.pause_for_card import PauseForCard
from bot.tools.send_dtmf import SendDtmf
from bot.tools.servers import mcp_connections
from bot.tools.take_message import TakeMessage
from bot.tools.transfer import TransferCall


class Server(Protocol):
    """Tools that come and go together: ``offered`` now, ``functions`` at any time so far."""

    name: str

    @property
    def offered(self) -> Mapping[str, Tool]: ...
    @property
    def functions(self) -> Mapping[str, Tool]: ...


class ToolRegistry:
    def __init__(self, tools: Iterable[Tool], servers: Iterable[Server] = ()) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._servers = {server.name: server for server in servers}

    def chosen(self, names: Iterable[str], *more: Tool) -> "ToolRegistry":
        """What one agent has of them now, and tools of its own: it can call nothing else."""
        offered = {tool.name: tool for name in names for tool in self._offered(name)}
        return ToolRegistry([*offered.values(), *more])

    def get(self, name: str) -> Tool | None:
        known = (self._tools, *(server.functions for server in self._servers.values()))
        return next((tools[name] for tools in known if name in tools), None)

    def to_openai_realtime_schema(self, names: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """Schemas of the named tools (all by default), with ``name`` beside ``type``.

        The name of a server stands for all its tools; those of a server that is away are left out.
        """
        wanted = (*self._tools, *self._servers) if names is None else names
        chosen = {tool.name: tool for name in wanted for tool in self._offered(name)}
        return [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
            }
            for tool in chosen.values()
        ]

    def _offered(self, name: str) -> Sequence[Tool]:
        if name in self._tools:
            return [self._tools[name]]
        if name in self._servers:
            return [*self._servers[name].offered.values()]
        return [server.offered[name] for server in self._servers.values() if name in server.offered]


@asynccontextmanager
async def open_registry(settings: Settings) -> AsyncIterator[ToolRegistry]:
    """All tools of this deployment; connections to MCP servers last as long as the context."""
    async with mcp_connections(settings) as servers:
        yield ToolRegistry(built_tools(settings), servers)


def built_tools(settings: Settings) -> list[Tool]:
    """The tools that come along, and the operator's own. There is no transfer without a destination."""
    tools: list[Tool] = [HangupCall(), GatherDigits(), SendDtmf(), TakeMessage()]
    if settings.card.url:
        tools.append(PauseForCard(settings.card))
    if settings.destinations:
        tools.append(TransferCall(settings.destinations))
    if settings.phones:
        tools.append(AttendedTransfer(settings.phones))
    tools += [HttpFunction(name, tool) for name, tool in settings.http_tools.items()]
    return tools + [load_function(name, point) for name, point in installed().items()]
