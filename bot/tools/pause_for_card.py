"""``pause_for_card``: the caller types a card's digits, which go to the operator's address only."""

import re
from typing import Any, ClassVar, Literal, NamedTuple

import orjson
from pydantic import Field

from bot.call.keypad import GatherParams
from bot.call.ports import CallControl
from bot.config.settings import Card
from bot.post import PostFailed, post_json
from bot.tools.base import Arguments, ToolResult, failed

LONGEST_ANSWER = 300
HIDDEN = "[hidden]"


class Length(NamedTuple):
    least: int
    most: int


LENGTHS = {"number": Length(12, 19), "expiry": Length(4, 4), "security_code": Length(3, 4)}


class PauseForCardArguments(Arguments):
    field: Literal["number", "expiry", "security_code"] = Field(
        description="What is typed: the card's number, its expiry date as four digits, or its security code."
    )


class PauseForCard:
    name: ClassVar[str] = "pause_for_card"
    timeout_s: ClassVar[float] = 180.0
    say: ClassVar[str] = ""  # the caller knows what is going on
    description = (
        "Let the caller type a payment card's digits. Never let them be spoken. Say first what to type and "
        "that the hash key ends it. You will not learn the digits; the result says how many there were, and "
        "what the payment service answered."
    )
    parameters: dict[str, Any] = PauseForCardArguments.model_json_schema()

    def __init__(self, card: Card) -> None:
        self._card = card

    async def run(self, call: CallControl, arguments: dict[str, Any]) -> ToolResult:
        field = PauseForCardArguments.model_validate(arguments).field
        least, most = LENGTHS[field]
        gathered = await call.keys.gather_privately(
            GatherParams(max_digits=most, digit_timeout_s=8, timeout_s=30)
        )
        if gathered is None:
            return failed("digits are being gathered already", "wait for that result")
        digits = gathered.digits
        entered = f"{len(digits)} digits were entered"
        if gathered.ended == "leaving":
            return failed("the call is ending", "nothing was sent")
        if len(digits) < least or not digits.isdecimal():
            return failed(f"{entered}, and that is no {field}", "ask the caller to type it again")
        try:
            answer = await post_json(
                self._card.url,
                self._card.headers,
                {"call_id": call.call_id, "field": field, "digits": digits},
            )
            told = chosen(answer, self._card.answer)
        except (PostFailed, ValueError) as error:
            return failed(
                f"{entered}; the payment service could not use them: {error}",
                "tell the caller that it did not work",
            )
        result: dict[str, Any] = {"ok": True, "entered": entered}
        if self._card.answer:
            result["answer"] = without(digits, told)
        return ToolResult(result)


def chosen(answer: bytes, path: str) -> str:
    """The part of a JSON answer at ``path`` (``result.status``). Raises ValueError when it is not there."""
    if not path:
        return ""
    found: Any
    try:
        found = orjson.loads(answer)
        for name in path.split("."):
            found = found[name]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"there is no {path} in its answer") from None
    return (found if isinstance(found, str) else orjson.dumps(found).decode())[:LONGEST_ANSWER]


def without(digits: str, told: str) -> str:
    """``told``, unless it holds the digits, however they are grouped."""
    return HIDDEN if digits in re.sub(r"[^0-9]", "", told) else told
