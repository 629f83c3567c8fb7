"""``handoff_to_agent``: another agent, with its own instructions, voice and tools, takes over."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from bot.call.ports import CallControl
from bot.tools.base import Arguments, ToolResult, failed
from bot.tools.transfer import plain

MAX_NOTE_CHARS = 400
NOTE = "What the other agent should know of the caller's wish, in a sentence or two."


class HandoffArguments(Arguments):
    agent: str = Field(min_length=1, max_length=100)
    note: str = Field(default="", max_length=2000)


class HandoffToAgent:
    """``agents``: those whom this agent may hand over to, each with what it is for."""

    name: ClassVar[str] = "handoff_to_agent"
    timeout_s: ClassVar[float] = 90.0  # a last sentence, then a connection; each has a limit of its own
    say: ClassVar[str] = ""  # nobody is there to hear that it takes long
    description = (
        "Let another agent take over this call. Tell the caller first, in one sentence; "
        "the other agent goes on after that has been heard."
    )

    def __init__(self, agents: Mapping[str, str]) -> None:
        self._agents = agents
        described = "; ".join(f"{name}: {what or name}" for name, what in agents.items())
        self.parameters: dict[str, Any] = {
            "type": "object",
            "properties": {
                "agent": {"type": "string", "enum": list(agents), "description": described},
                "note": {"type": "string", "description": NOTE},
            },
            "required": ["agent"],
            "additionalProperties": False,
        }

    async def run(self, call: CallControl, arguments: dict[str, Any]) -> ToolResult:
        given = HandoffArguments.model_validate(arguments)
        if given.agent not in self._agents:
            return failed(f"there is no agent {given.agent!r}", f"offer one of: {', '.join(self._agents)}")
        if problem := await call.desk.hand_off(given.agent, plain(given.note, MAX_NOTE_CHARS)):
            return failed(problem, "apologise to the caller, and go on yourself as well as you can")
        return ToolResult({"ok": True, "agent": given.agent}, respond=False)
