"""The responses of one session: at most one that joins the conversation, and any number beside it. PURE."""

from collections.abc import Callable
from dataclasses import replace

from bot.offline import usage
from bot.offline.config import Json, SessionConfig
from bot.offline.conversation import Conversation
from bot.offline.dialect import Dialect
from bot.offline.items import Item, item_from_wire, new_id
from bot.offline.parse import Refusal
from bot.offline.response import Response, ResponseWriter


class Responses:
    """``running`` are the open responses by id; ``active`` the one of them that joins the conversation."""

    def __init__(self, dialect: Dialect, conversation: Conversation, emit: Callable[..., None]) -> None:
        self.running: dict[str, ResponseWriter] = {}
        self.active: ResponseWriter | None = None
        self._dialect = dialect
        self._conversation = conversation
        self._emit = emit
        self._has_spoken = False
        self._read = usage.NO_USAGE

    @property
    def has_spoken(self) -> bool:
        """Whether any audio has been sent in this session."""
        return self._has_spoken or any(writer.response.audio_ms > 0 for writer in self.running.values())

    def begin(self, config: SessionConfig, wire: Json, *, idle: bool = False) -> str:
        """Opens the response that ``wire``, a checked ``response`` of response.create, asks for; returns its
        id. Raises ``Refusal`` while another is active."""
        response = self._response(config, wire, idle=idle)
        if response.in_conversation and self.active is not None:
            raise Refusal(
                "conversation_already_has_active_response",
                "Conversation already has an active response in progress: "
                f"{self.active.response.id}. Wait until the response is finished before creating a new one.",
            )
        response.usage = usage.read(response.config, response.context, self._read)
        writer = ResponseWriter(response, self._dialect, self._emit, self._conversation.append)
        self.running[response.id] = writer
        if response.in_conversation:
            self.active = writer
            self._read = replace(response.usage, cached_text=0, cached_audio=0)
        return response.id

    def find(self, response_id: str | None) -> ResponseWriter | None:
        """The running response of that id; without an id the active one."""
        return self.active if response_id is None else self.running.get(response_id)

    def end(
        self, writer: ResponseWriter, status: str, *, reason: str | None = None, error: Json | None = None
    ) -> None:
        """Closes a running response with its last events."""
        self._has_spoken = self.has_spoken
        writer.finish(status, reason, error)
        del self.running[writer.response.id]
        if writer is self.active:
            self.active = None

    def _response(self, config: SessionConfig, wire: Json, *, idle: bool) -> Response:
        joins = wire.get("conversation") != "none"
        return Response(
            id=new_id("resp"),
            config=self._dialect.update(config, wire | {"instructions": None}),
            context=self._context(wire.get("input")),
            in_conversation=joins,
            conversation_id=self._conversation.id if joins else None,
            instructions=wire.get("instructions"),
            metadata=wire.get("metadata"),
            idle=idle,
        )

    def _context(self, given: list[Json] | None) -> list[Item]:
        if given is None:
            return list(self._conversation.items)
        return [
            self._conversation.get(wire["id"], "retrieve")
            if wire["type"] == "item_reference"
            else item_from_wire(wire, new_id("item"))
            for wire in given
        ]
