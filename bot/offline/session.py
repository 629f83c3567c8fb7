"""One Realtime session. PURE: frames of the client in, events and orders for the edge out.

``receive`` takes what the client sent; ``heard`` what the ears understood; ``writer`` lends the response
that the edge is speaking. Everything to send and to do comes out of ``drain``, in order. The only clock is
the audio received.
"""

import binascii
from collections.abc import Callable

from bot.offline.config import Json
from bot.offline.conversation import Conversation
from bot.offline.dialect import Dialect
from bot.offline.hearing import Heard, InputBuffer, SpeechStarted
from bot.offline.items import Item, new_id
from bot.offline.orders import Answer, Halt, Hear, Output, Send
from bot.offline.parse import Refusal, parse
from bot.offline.response import ResponseWriter
from bot.offline.responses import Responses

MIN_COMMIT_MS = 100


class Session:
    """State of one session. ``expires_at`` is Unix time in seconds; only told to the client."""

    def __init__(self, dialect: Dialect, model: str, expires_at: int) -> None:
        self.dialect = dialect
        self.config = dialect.default
        self.conversation = Conversation(new_id("conv"))
        self._model = model
        self._identity = self._identify(expires_at)
        self._outputs: list[Output] = []
        self._input = InputBuffer(self.config.input_format, self.config.turn_detection)
        self._turn_item_id = ""
        self._turns = 0
        self._responses = Responses(dialect, self.conversation, self._emit)
        self._playing_until_ms: int | None = None
        self._handlers: dict[str, Callable[[Json], None]] = {
            "session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit_by_hand,
            "input_audio_buffer.clear": self._clear,
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.truncate": self._truncate_item,
            "conversation.item.delete": self._delete_item,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
        }

    # ------------------------------------------------------------------------ what the edge calls

    def open(self) -> None:
        """Greets the client; call it first."""
        self._emit("session.created", session=self._session())
        if self.dialect.name == "beta":
            conversation = {"id": self.conversation.id, "object": "realtime.conversation"}
            self._emit("conversation.created", conversation=conversation)

    def receive(self, frame: str | bytes) -> None:
        """Takes one frame of the client. What it may not say is answered with an ``error`` event."""
        try:
            event = parse(frame, self.dialect.name)
        except Refusal as refusal:
            self.refuse(refusal)
            return
        try:
            self._handlers[event["type"]](event)
        except Refusal as refusal:
            refusal.event_id = event.get("event_id")
            self.refuse(refusal)

    def heard(self, item_id: str, transcript: str) -> None:
        """The ears understood ``transcript`` in the item's audio."""
        item = self.conversation.find(item_id)
        if item is None:
            return
        item.heard = transcript
        if self.config.transcription is None:
            return
        item.content[0]["transcript"] = transcript
        self._emit(
            "conversation.item.input_audio_transcription.completed",
            item_id=item_id,
            content_index=0,
            transcript=transcript,
            usage={"type": "duration", "seconds": item.audio_ms / 1000},
        )

    def writer(self, response_id: str) -> ResponseWriter:
        """The running response; ``KeyError`` when it was cancelled."""
        return self._responses.running[response_id]

    def finish(self, response_id: str, error: Json | None = None) -> None:
        """The response is complete, or failed with ``error``."""
        self._end(self.writer(response_id), "failed" if error else "completed", error=error)

    def refuse(self, refusal: Refusal) -> None:
        """Sends an ``error`` event."""
        error = {
            "type": "invalid_request_error",
            "code": refusal.code,
            "message": refusal.message,
            "param": refusal.param,
            "event_id": refusal.event_id,
        }
        self._emit("error", error=error)

    def drain(self) -> list[Output]:
        """Everything that is to be sent and done since the last call, in order."""
        outputs, self._outputs = self._outputs, []
        return outputs

    # ------------------------------------------------------------------------ session

    def _identify(self, expires_at: int) -> Json:
        identity: Json = {"id": new_id("sess"), "object": "realtime.session", "expires_at": expires_at}
        if self.dialect.name == "ga":
            identity["type"] = "realtime"
        # The beta knew a closed list of models.
        if self.dialect.name == "ga" or not self._model.startswith("offline"):
            identity["model"] = self._model
        return identity

    def _session(self) -> Json:
        return self.dialect.session(self.config, self._identity)

    def _update(self, event: Json) -> None:
        wire = event["session"]
        if wire.get("model", self._model) != self._model:
            raise Refusal("cannot_update_model", "The model of a session cannot be changed.", "session.model")
        config = self.dialect.update(self.config, wire)
        if self._responses.has_spoken and config.voice != self.config.voice:
            raise Refusal(
                "cannot_update_voice",
                "Cannot update a conversation's voice if assistant audio is present.",
                "session." + ".".join(self.dialect.paths["voice"]),
            )
        before, self.config = self.config, config
        if (before.input_format, before.turn_detection) != (config.input_format, config.turn_detection):
            self._input = InputBuffer(config.input_format, config.turn_detection, self._input.end_ms)
        self._emit("session.updated", session=self._session())

    # ------------------------------------------------------------------------ the caller's audio

    def _append(self, event: Json) -> None:
        try:
            data = binascii.a2b_base64(event["audio"], strict_mode=True)
        except (binascii.Error, ValueError):
            raise Refusal(
                "invalid_value", "Invalid 'audio': expected base64-encoded audio bytes.", "audio"
            ) from None
        for edge in self._input.append(data):
            self._turn_edge(edge)
        self._watch_idle()

    def _turn_edge(self, edge: Heard) -> None:
        detection = self.config.turn_detection or {}
        if isinstance(edge, SpeechStarted):
            self._turn_item_id = new_id("item")
            self._playing_until_ms = None
            self._emit(
                "input_audio_buffer.speech_started",
                audio_start_ms=edge.audio_start_ms,
                item_id=self._turn_item_id,
            )
            if self._responses.active is not None and detection["interrupt_response"]:
                self._cancel(self._responses.active, "turn_detected")
            return
        self._emit(
            "input_audio_buffer.speech_stopped", audio_end_ms=edge.audio_end_ms, item_id=self._turn_item_id
        )
        self._commit(self._turn_item_id, edge.pcm)
        if detection["create_response"]:
            self._respond_to_turn()

    def _respond_to_turn(self, *, idle: bool = False) -> None:
        try:
            self._begin({}, idle=idle)
        except Refusal as refusal:
            self.refuse(refusal)

    def _commit(self, item_id: str, pcm: bytes) -> None:
        rate = self._input.rate
        item = Item(item_id, "message", role="user", audio_ms=len(pcm) * 500 // rate)
        item.content.append({"type": "input_audio", "transcript": None})
        previous = self.conversation.last_id
        self._emit("input_audio_buffer.committed", previous_item_id=previous, item_id=item_id)
        self._add(item, self.conversation.append(item))
        self._outputs.append(Hear(item_id, pcm, rate, self._turns))
        self._turns += 1

    def _commit_by_hand(self, event: Json) -> None:
        duration_ms = self._input.duration_ms
        if duration_ms < MIN_COMMIT_MS:
            raise Refusal(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{MIN_COMMIT_MS}ms of audio, but buffer only has {duration_ms:.2f}ms of audio.",
            )
        item_id = self._turn_item_id if self._input.speaking else new_id("item")
        self._commit(item_id, self._input.take())

    def _clear(self, event: Json) -> None:
        self._input.take()
        self._emit("input_audio_buffer.cleared")

    def _watch_idle(self) -> None:
        """``idle_timeout_ms`` after the last response has been played, on the clock of the audio received."""
        timeout_ms = (self.config.turn_detection or {}).get("idle_timeout_ms")
        played_ms = self._playing_until_ms
        if timeout_ms is None or played_ms is None or self._responses.active or self._input.speaking:
            return
        if self._input.end_ms < played_ms + timeout_ms:
            return
        self._playing_until_ms = None
        item_id = new_id("item")
        self._emit(
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=played_ms,
            audio_end_ms=self._input.end_ms,
            item_id=item_id,
        )
        item = Item(item_id, "message", role="user", audio_ms=self._input.end_ms - played_ms)
        item.content.append({"type": "input_audio", "transcript": None})
        self._emit(
            "input_audio_buffer.committed", previous_item_id=self.conversation.last_id, item_id=item_id
        )
        self._add(item, self.conversation.append(item))
        self._respond_to_turn(idle=True)

    # ------------------------------------------------------------------------ items

    def _add(self, item: Item, previous: str | None) -> None:
        wire = self.dialect.item(item)
        self._emit("conversation.item.added", previous_item_id=previous, item=wire)
        self._emit("conversation.item.done", previous_item_id=previous, item=wire)

    def _create_item(self, event: Json) -> None:
        after = event.get("previous_item_id")
        self._add(*self.conversation.create(event["item"], after, new_id("item")))

    def _retrieve_item(self, event: Json) -> None:
        item = self.conversation.get(event["item_id"], "retrieve")
        self._emit("conversation.item.retrieved", item=self.dialect.item(item))

    def _truncate_item(self, event: Json) -> None:
        place = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
        self.conversation.truncate(**place)
        self._emit("conversation.item.truncated", **place)

    def _delete_item(self, event: Json) -> None:
        self.conversation.delete(event["item_id"])
        self._emit("conversation.item.deleted", item_id=event["item_id"])

    # ------------------------------------------------------------------------ responses

    def _create_response(self, event: Json) -> None:
        self._begin(event.get("response") or {})

    def _begin(self, wire: Json, *, idle: bool = False) -> None:
        self._outputs.append(Answer(self._responses.begin(self.config, wire, idle=idle)))
        self._playing_until_ms = None

    def _cancel_response(self, event: Json) -> None:
        writer = self._responses.find(event.get("response_id"))
        if writer is None:
            raise Refusal("response_cancel_not_active", "Cancellation failed: no active response found")
        self._cancel(writer, "client_cancelled")

    def _cancel(self, writer: ResponseWriter, reason: str) -> None:
        self._end(writer, "cancelled", reason=reason)
        self._outputs.append(Halt(writer.response.id))

    def _end(
        self, writer: ResponseWriter, status: str, *, reason: str | None = None, error: Json | None = None
    ) -> None:
        if writer is self._responses.active:
            self._playing_until_ms = self._input.end_ms + writer.response.audio_ms
        self._responses.end(writer, status, reason=reason, error=error)

    def _emit(self, name: str, /, **fields: object) -> None:
        event_type = self.dialect.event_type(name)
        if event_type is not None:
            self._outputs.append(Send({"type": event_type, "event_id": new_id("event")} | fields))
