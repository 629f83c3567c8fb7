"""An agent's session with the model and the conversation held over it; of several, one has the line.

A talk can be made ready, and its first words be asked for, while another one still has the line. What the
model says meanwhile waits here.
"""

from collections.abc import Iterable

from bot.call.brief import Brief
from bot.call.conversation import Conversation
from bot.realtime.client import Endpoint, RealtimeClient
from bot.realtime.events import Event
from bot.realtime.warm import WarmSession


class Talk:
    """``over``: it is done with, and the end of its session is no news."""

    def __init__(self, brief: Brief, endpoint: Endpoint) -> None:
        self.brief = brief
        self.model = RealtimeClient(endpoint, brief.request, self._on_model)
        self.conversation: Conversation | None = None
        self.lost = False
        self.over = False
        self._waiting: list[Event] | None = []

    async def connect(self, said: Iterable[tuple[str, str]] = (), warm: WarmSession | None = None) -> None:
        """``said`` before, by ``caller`` or ``agent``, as the model is to know it. Raises ModelError."""
        try:
            await self.model.connect(warm)
        except BaseException:
            await self.model.close()
            raise
        for party, text in said:
            self.model.remember(party, text)

    def take_line(self) -> None:
        assert self.conversation is not None
        self.conversation.take_line()
        waiting, self._waiting = self._waiting, None
        for event in waiting or ():
            self.conversation.on_model(event)

    async def close(self) -> None:
        self.over = True
        await self.model.close()

    def _on_model(self, event: Event) -> None:
        if self._waiting is not None:
            self._waiting.append(event)
        elif self.conversation is not None:
            self.conversation.on_model(event)
