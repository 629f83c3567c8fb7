"""``transfer_call``: the caller goes on in the dialplan, at a destination that the operator named."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from bot.call.ports import CallControl, Departure
from bot.config.profile import sanitized
from bot.config.settings import Destination
from bot.tools.base import Arguments, ToolResult, failed, leaving_already

MAX_SUMMARY_CHARS = 400
SUMMARY = "What the caller wants and what was said so far, in one or two sentences, for whoever answers."
#: What a dialplan would give a meaning to, where an operator writes the summary into a line of his own.
_NO_DIALPLAN = str.maketrans(dict.fromkeys('"$`\\{}[]', "'"))


class TransferArguments(Arguments):
    """``destination`` is one of the operator's names; what else is asked for is refused by the tool."""

    destination: str = Field(min_length=1, max_length=100)
    summary: str = Field(default="", max_length=2000)


def plain(written: str, max_chars: int = MAX_SUMMARY_CHARS) -> str:
    """What a model wrote, as it may leave the bot: one line that is text and nothing more."""
    return sanitized(written.translate(_NO_DIALPLAN), max_chars)


def parameters(destinations: Mapping[str, Destination]) -> dict[str, Any]:
    """The schema of ``TransferArguments``: only these names exist for the model."""
    described = "; ".join(f"{name}: {place.description or name}" for name, place in destinations.items())
    return {
        "type": "object",
        "properties": {
            "destination": {"type": "string", "enum": list(destinations), "description": described},
            "summary": {"type": "string", "description": SUMMARY},
        },
        "required": ["destination"],
        "additionalProperties": False,
    }


def unknown(wanted: str, destinations: Mapping[str, Destination]) -> ToolResult:
    return failed(f"there is no destination {wanted!r}", f"offer one of: {', '.join(destinations)}")


class TransferCall:
    """Only the destinations of the configuration exist, whatever the model asks for."""

    name: ClassVar[str] = "transfer_call"
    timeout_s: ClassVar[float] = 5.0
    description = (
        "Connect the caller to somebody else. Tell the caller first whom you are connecting to; "
        "the call leaves you after that has been heard."
    )

    def __init__(self, destinations: Mapping[str, Destination]) -> None:
        self._destinations = destinations
        self.parameters = parameters(destinations)

    async def run(self, call: CallControl, arguments: dict[str, Any]) -> ToolResult:
        given = TransferArguments.model_validate(arguments)
        wanted = given.destination
        if wanted not in self._destinations:
            return unknown(wanted, self._destinations)
        context, exten, priority = self._destinations[wanted].place(wanted)
        departure = Departure(
            "continue",
            by="agent",
            reason=f"transferred to {wanted}",
            context=context,
            exten=exten,
            priority=priority,
            variables={"VOICEBOT_TRANSFER": wanted, "VOICEBOT_SUMMARY": plain(given.summary)},
        )
        if not call.leave(departure):
            return leaving_already()
        advice = "If you have not told the caller yet, say that you are connecting them now."
        return ToolResult({"ok": True, "destination": wanted, "advice": advice}, respond=False)
