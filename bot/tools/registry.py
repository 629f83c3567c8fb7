"""The tools of one deployment, and their schemas as the Realtime API wants them: flat."""

from collections.abc import Iterable
from typing import Any

from bot.config.settings import Settings
from bot.tools.base import Tool
from bot.tools.hangup import HangupCall
from bot.tools.http import HttpFunction
from bot.tools.transfer import TransferCall


class ToolRegistry:
    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}

    def get(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def to_openai_realtime_schema(self, names: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """Schemas of the named tools (all by default), with ``name`` beside ``type``."""
        wanted = self._tools if names is None else names
        return [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
            }
            for tool in (self._tools[name] for name in wanted if name in self._tools)
        ]


def build_registry(settings: Settings) -> ToolRegistry:
    """The tools that come along, and the operator's own. There is no transfer without a destination."""
    tools: list[Tool] = [HangupCall()]
    if settings.destinations:
        tools.append(TransferCall(settings.destinations))
    tools += [HttpFunction(name, tool) for name, tool in settings.http_tools.items()]
    return ToolRegistry(tools)
