"""``gather_digits``: the caller types a number on the phone's keys."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from bot.call.keypad import Ended, GatherParams
from bot.call.ports import CallControl
from bot.tools.base import Arguments, ToolResult, failed

WHY: dict[Ended, str] = {
    "terminator": "the caller pressed the terminator",
    "max_digits": "all digits were typed",
    "digit_timeout": "no further digit was typed",
    "timeout": "nothing was typed",
    "speech": "the caller spoke instead",
    "leaving": "the call is ending",
}


class GatherArguments(Arguments):
    min_digits: int = Field(default=1, ge=1, le=32, description="Fewer are reported as a failure.")
    max_digits: int = Field(default=32, ge=1, le=32, description="Typing ends after so many digits.")
    terminator: Literal["#", "*", ""] = Field(
        default="#", description="The key that ends typing; empty: none."
    )
    digit_timeout_s: float = Field(
        default=4, ge=1, le=15, description="Seconds without a further digit that end typing."
    )
    timeout_s: float = Field(
        default=20, ge=1, le=60, description="Seconds to wait for the first digit, once you are silent."
    )


class GatherDigits:
    name: ClassVar[str] = "gather_digits"
    timeout_s: ClassVar[float] = 180.0
    say: ClassVar[str] = ""  # the caller knows what is going on
    description = (
        "Let the caller type digits on the telephone's keys, such as a customer number. Tell the caller "
        "first what to type and how to end it; the digits are the result."
    )
    parameters: dict[str, Any] = GatherArguments.model_json_schema()

    async def run(self, call: CallControl, arguments: dict[str, Any]) -> ToolResult:
        given = GatherArguments.model_validate(arguments)
        if given.min_digits > given.max_digits:
            raise ValueError("min_digits is more than max_digits")
        gathered = await call.keys.gather(
            GatherParams(given.max_digits, given.terminator, given.digit_timeout_s, given.timeout_s)
        )
        if gathered is None:
            return failed("digits are being gathered already", "wait for that result")
        if gathered.ended == "speech":  # the words have had their answer
            return ToolResult({"ok": True, "digits": "", "ended": WHY["speech"]}, respond=False)
        if len(gathered.digits) < given.min_digits:
            return failed(
                f"only {len(gathered.digits)} digits: {WHY[gathered.ended]}",
                "ask the caller to type again, or to say it",
            )
        return ToolResult({"ok": True, "digits": gathered.digits, "ended": WHY[gathered.ended]})
