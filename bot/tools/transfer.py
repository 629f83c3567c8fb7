"""``transfer_call``: the caller goes on in the dialplan, at a destination that the operator named."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from bot.call.ports import CallControl, Departure
from bot.config.settings import Destination
from bot.tools.base import Arguments, ToolResult, failed


class TransferArguments(Arguments):
    destination: str = Field(min_length=1, max_length=100)


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
        described = "; ".join(f"{name}: {place.description or name}" for name, place in destinations.items())
        self.parameters: dict[str, Any] = {
            "type": "object",
            "properties": {
                "destination": {"type": "string", "enum": list(destinations), "description": described}
            },
            "required": ["destination"],
            "additionalProperties": False,
        }

    async def run(self, call: CallControl, arguments: dict[str, Any]) -> ToolResult:
        wanted = TransferArguments.model_validate(arguments).destination
        place = self._destinations.get(wanted)
        if place is None:
            return failed(
                f"there is no destination {wanted!r}", f"offer one of: {', '.join(self._destinations)}"
            )
        call.leave(
            Departure(
                "continue",
                by="agent",
                reason=f"transferred to {wanted}",
                context=place.context,
                exten=place.exten,
                priority=place.priority,
                variables={"VOICEBOT_TRANSFER": wanted},
            )
        )
        advice = "If you have not told the caller yet, say that you are connecting them now."
        return ToolResult({"ok": True, "destination": wanted, "advice": advice}, respond=False)
