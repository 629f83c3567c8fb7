"""What a tool is and how one is run: checked arguments, a time limit, a result to speak about."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from bot.call.ports import CallControl
from bot.log import get_logger

log = get_logger("tools")

SAY = "One moment please, I am looking."
#: As much of an answer as a model can make use of on the telephone.
MAX_ANSWER_CHARS = 4000


class Arguments(BaseModel):
    """Base of each tool's arguments: what the schema does not name is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """``output`` goes back to the model; ``respond`` asks it to speak about it.

    ``error`` says what went wrong, for the record; empty when all went well.
    """

    output: Mapping[str, Any]
    respond: bool = True
    error: str = ""

    def as_json(self) -> str:
        return orjson.dumps(dict(self.output), default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class Tool(Protocol):
    """A tool may also have ``say``: what the caller is told when it takes long; empty: nothing."""

    @property
    def name(self) -> str: ...

    @property
    def timeout_s(self) -> float: ...

    @property
    def description(self) -> str: ...

    @property
    def parameters(self) -> dict[str, Any]:
        """JSON schema of the arguments."""

    async def run(self, call: CallControl, arguments: dict[str, Any]) -> ToolResult: ...


def failed(reason: str, advice: str) -> ToolResult:
    """A result that tells the model, in words, what went wrong and what to do."""
    return ToolResult({"ok": False, "error": reason, "advice": advice}, error=reason)


def leaving_already() -> ToolResult:
    """For a second wish to leave: the first one counts."""
    return failed("the call is being left already", "say nothing more about it")


def told(answer: Any) -> ToolResult:
    """A result with somebody else's data, cut to what is of use."""
    text = orjson.dumps(answer, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    if len(text) <= MAX_ANSWER_CHARS:
        return ToolResult({"ok": True, "answer": answer})
    advice = f"the answer is longer; these are its first {MAX_ANSWER_CHARS} characters"
    return ToolResult({"ok": True, "answer": text[:MAX_ANSWER_CHARS], "advice": advice})


async def run_tool(tool: Tool, call: CallControl, arguments: str) -> ToolResult:
    """Run a tool on the model's own JSON text. Never raises: whatever goes wrong becomes a result."""
    try:
        given = orjson.loads(arguments or "{}")
        if not isinstance(given, dict):
            raise ValueError("arguments must be a JSON object")
        async with asyncio.timeout(tool.timeout_s):
            result = await tool.run(call, given)
        result.as_json()  # what cannot be written as JSON is a fault of the tool, not of the call
        return result
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors()
        )
        return failed(f"invalid arguments: {wrong}", "call the function again with valid arguments")
    except ValueError as error:
        return failed(f"invalid arguments: {error}", "call the function again with valid arguments")
    except TimeoutError:
        return failed(f"no result within {tool.timeout_s:g} s", "tell the caller that it did not work")
    except Exception:  # a tool is a task's boundary: its fault must not end the call
        log.exception("tool_failed", tool=tool.name)
        return failed("the function failed", "tell the caller that it did not work")
