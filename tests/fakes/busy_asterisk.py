"""An Asterisk that does not answer what there is, a number of times, and then says that nothing is left."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from bot.errors import AriUnreachable


class BusyAsterisk:
    """In place of the ARI client; ``unanswered`` requests time out, ``meanwhile`` happens in the others."""

    app = "voicebot"
    connected = True

    def __init__(self, unanswered: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.unanswered = unanswered
        self.meanwhile = meanwhile
        self.channels = self.bridges = SimpleNamespace(list=self._list)
        self.applications = SimpleNamespace(get=self._get)

    async def _list(self) -> list[Any]:
        if self.unanswered:
            self.unanswered -= 1
            raise AriUnreachable("no answer within 5 s", retry=True)
        self.meanwhile()
        return []

    async def _get(self) -> Any:
        return SimpleNamespace(channel_ids=())
