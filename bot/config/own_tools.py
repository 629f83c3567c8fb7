"""The names of the operator's own tools, as ``tools:`` lists and the model know them."""

import functools
import re
from collections.abc import Collection
from importlib.metadata import EntryPoint, entry_points

from bot.config.settings import Settings

ENTRY_POINTS = "voicebot.tools"
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What the Realtime API takes as the name of a function."""


@functools.cache
def installed() -> dict[str, EntryPoint]:
    """Tools that installed packages bring, by name; nothing of them is imported yet."""
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def own_tools(settings: Settings) -> tuple[str, ...]:
    """What an agent has who names no tools. The name of an MCP server stands for all its tools."""
    return (*settings.http_tools, *installed(), *settings.mcp_servers)


def listed(settings: Settings, taken: Collection[str]) -> dict[tuple[str, str], str]:
    """``(server, tool)`` → name, of the MCP tools that the configuration lists."""
    names: dict[tuple[str, str], str] = {}
    for server, block in settings.mcp_servers.items():
        for tool in block.tools or ():
            names[server, tool] = offered_name(server, tool, {*taken, *names.values()})
    return names


def offered_name(server: str, tool: str, taken: Collection[str]) -> str:
    """The name of an MCP tool: its own, with the server's before it where that is taken."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", tool)[:64]
    return f"{server}_{plain}"[:64] if plain in taken else plain
