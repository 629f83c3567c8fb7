"""``accept_caller`` and ``decline_caller``: what the destination of an attended transfer says to the agent.

Only the talk with that destination has them; the caller's agent does not.
"""

from typing import Any, ClassVar

from bot.call.ports import CallControl
from bot.tools.base import Arguments, ToolResult, failed
from bot.tools.registry import ToolRegistry


class NoArguments(Arguments):
    pass


class AcceptCaller:
    name: ClassVar[str] = "accept_caller"
    timeout_s: ClassVar[float] = 5.0
    description = "They agree to take the call: connect the caller with them."
    parameters: dict[str, Any] = NoArguments.model_json_schema()

    async def run(self, call: CallControl, arguments: dict[str, Any]) -> ToolResult:
        NoArguments.model_validate(arguments)
        if problem := call.desk.decide(accept=True):
            return failed(problem, "wait for their answer")
        return ToolResult({"ok": True}, respond=False)


class DeclineCaller:
    name: ClassVar[str] = "decline_caller"
    timeout_s: ClassVar[float] = 5.0
    description = "They do not want to take the call, or it is a machine: go back to the caller."
    parameters: dict[str, Any] = NoArguments.model_json_schema()

    async def run(self, call: CallControl, arguments: dict[str, Any]) -> ToolResult:
        NoArguments.model_validate(arguments)
        call.desk.decide(accept=False)
        return ToolResult({"ok": True}, respond=False)


CONSULT_TOOLS = ToolRegistry([AcceptCaller(), DeclineCaller()])
