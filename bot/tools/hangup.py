"""``hangup_call``: the agent ends the call, after its farewell has been heard."""

from typing import Any, ClassVar

from pydantic import Field

from bot.call.ports import CallControl, Departure
from bot.tools.base import Arguments, ToolResult, leaving_already


class HangupArguments(Arguments):
    reason: str = Field(default="", max_length=200, description="Why the call ends, in a few words.")


class HangupCall:
    name: ClassVar[str] = "hangup_call"
    timeout_s: ClassVar[float] = 5.0
    description = (
        "End the phone call. Use it when the caller says goodbye or wants nothing more. "
        "Say a short farewell; the line is closed after it has been heard."
    )
    parameters: dict[str, Any] = HangupArguments.model_json_schema()

    async def run(self, call: CallControl, arguments: dict[str, Any]) -> ToolResult:
        given = HangupArguments.model_validate(arguments)
        reason = given.reason or "the agent said goodbye"
        if not call.leave(Departure("hangup", by="agent", reason=reason)):
            return leaving_already()
        advice = "If you have not said goodbye yet, say a short farewell now."
        return ToolResult({"ok": True, "advice": advice}, respond=False)
