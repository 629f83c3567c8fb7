"""``attended_transfer``: somebody is called, told of the caller, and connected when they agree."""

from collections.abc import Mapping
from typing import Any, ClassVar

from bot.call.ports import CallControl
from bot.config.settings import Destination
from bot.tools.base import ToolResult, failed
from bot.tools.transfer import TransferArguments, parameters, plain, unknown


class AttendedTransfer:
    """``destinations``: those that have ``dial``."""

    name: ClassVar[str] = "attended_transfer"
    timeout_s: ClassVar[float] = 600.0  # ringing and deciding have limits of their own
    say: ClassVar[str] = ""  # nobody is there to hear that it takes long
    description = (
        "Call somebody for the caller, who waits meanwhile: they are told the summary, and connected when "
        "they agree. Otherwise the caller comes back to you, and you are told why. Tell the caller first, "
        "in one sentence."
    )

    def __init__(self, destinations: Mapping[str, Destination]) -> None:
        self._destinations = destinations
        self.parameters = parameters(destinations)

    async def run(self, call: CallControl, arguments: dict[str, Any]) -> ToolResult:
        given = TransferArguments.model_validate(arguments)
        if given.destination not in self._destinations:
            return unknown(given.destination, self._destinations)
        if outcome := await call.desk.consult(given.destination, plain(given.summary)):
            return failed(outcome, "the caller is back with you: say so, and offer to help in another way")
        return ToolResult({"ok": True, "destination": given.destination}, respond=False)
