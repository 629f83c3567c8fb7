"""``send_dtmf``: tones for the far end, such as another machine's menu."""

from typing import Any, ClassVar

from pydantic import Field

from bot.call.ports import CallControl
from bot.errors import AriError
from bot.tools.base import Arguments, ToolResult, failed


class SendDtmfArguments(Arguments):
    # Asterisk answers 204 to digits that do not exist, too: they are refused here.
    digits: str = Field(pattern=r"^[0-9*#A-D]{1,32}$", description="Up to 32 of 0-9, *, #, A-D.")


class SendDtmf:
    name: ClassVar[str] = "send_dtmf"
    timeout_s: ClassVar[float] = 60.0
    say: ClassVar[str] = ""  # the caller knows what is going on
    description = (
        "Press keys: send DTMF tones to the other end of the line, such as the menu of another machine. "
        "They are sent when you have finished speaking."
    )
    parameters: dict[str, Any] = SendDtmfArguments.model_json_schema()

    async def run(self, call: CallControl, arguments: dict[str, Any]) -> ToolResult:
        digits = SendDtmfArguments.model_validate(arguments).digits
        try:
            sent = await call.keys.send(digits)
        except AriError as error:
            return failed(f"the tones were not sent: {error}", "tell the caller that it did not work")
        if not sent:
            return failed("the call is ending", "send nothing more")
        return ToolResult({"ok": True, "sent": digits})
