"""``take_message``: the caller leaves a message, which is kept and handed on."""

from typing import Any, ClassVar

from bot.call.ports import CallControl
from bot.tools.base import Arguments, ToolResult, failed


class TakeMessageArguments(Arguments):
    pass


class TakeMessage:
    name: ClassVar[str] = "take_message"
    timeout_s: ClassVar[float] = 600.0
    say: ClassVar[str] = ""  # the caller knows what is going on
    description = (
        "Record a message of the caller. Say first that the message begins after the beep and that the hash "
        "key ends it; say nothing until the result is there."
    )
    parameters: dict[str, Any] = TakeMessageArguments.model_json_schema()

    async def run(self, call: CallControl, arguments: dict[str, Any]) -> ToolResult:
        TakeMessageArguments.model_validate(arguments)
        taken = await call.answering.take()
        if taken is None:
            return failed("no message can be taken now", "go on without one")
        if not taken.spoken:
            return failed("the caller said nothing", "ask whether they want to leave a message")
        return ToolResult({"ok": True, "seconds": taken.seconds, "ended_by": taken.ended, "stored": True})
