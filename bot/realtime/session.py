"""One Realtime session as pure state: server messages in, events out; requests in, client messages out.

It knows which response is active, how much audio each item has brought, and which function calls still owe
an answer, so that ``response.create`` is sent once, after ``response.done``, when nothing else is active.
"""

from binascii import b2a_base64
from typing import Any

import orjson

from bot.realtime import events
from bot.realtime.dialects import (
    AGENT_TEXT,
    SessionRequest,
    merged,
    session_body,
    turn_detection,
    turn_detection_body,
)

Json = dict[str, Any]
BYTES_PER_MS = {"pcm16": 48, "g711_ulaw": 8, "g711_alaw": 8}


class RealtimeSession:
    """Methods that return ``bytes`` return one client event as JSON text, ready to be sent."""

    def __init__(self, dialect: str, request: SessionRequest) -> None:
        self.body = session_body(dialect, request)
        self._dialect = dialect
        self._detection = turn_detection(dialect, self.body)
        self.active_response = ""
        self._dialect = dialect
        self._bytes_per_ms = BYTES_PER_MS[request.audio_format]
        self._received: dict[str, int] = {}
        self._content_index: dict[str, int] = {}
        self._coming = ""  # the item whose audio is still coming
        self._owed: dict[str, set[str]] = {}
        self._seen_calls: set[str] = set()
        self._next_response: Json | None = None
        self._results_due = False  # a function's result is in, and no response has told it
        self._last_response: Json | None = None  # to ask again, should the server have been faster
        self._sent = 0
        self._appended = self._append = b""  # the audio of the last append, and the event
        self.update_id = ""
        self.asked_id = ""  # of the ``response.create`` that has to be answered, until a response begins

    # ------------------------------------------------------------------ server → us

    def receive(self, message: str | bytes) -> events.Event | None:
        """The event in one server message, or None for a function call that was already reported.

        Raises ProtocolError for what is no event at all.
        """
        event = events.read(message)
        match event:
            case events.AgentAudio():
                self._received[event.item_id] = self._received.get(event.item_id, 0) + len(event.audio)
                self._content_index[event.item_id] = event.content_index
                self._coming = event.item_id
            case events.AgentAudioDone():
                self._coming = ""
            case events.SpeechStarted():
                self._results_due = False  # the caller will be answered anyway, and that answer knows them
            case events.ResponseCreated():
                self.active_response, self.asked_id = event.response_id, ""
            case events.ResponseDone():
                self._coming = ""
                if self.active_response == event.response_id:
                    self.active_response = ""
            case events.FunctionCall():
                if event.call_id in self._seen_calls:
                    return None
                self._seen_calls.add(event.call_id)
                self._owed.setdefault(event.response_id, set()).add(event.call_id)
            case events.Fault(code="conversation_already_has_active_response"):
                self._next_response = self._next_response or self._last_response
        return event

    def received_ms(self, item_id: str) -> int:
        """Milliseconds of audio received for an item: the most that a truncation may name."""
        return self._received.get(item_id, 0) // self._bytes_per_ms

    def due(self) -> bytes | None:
        """The ``response.create`` that is owed now, if any. Ask after every event and every answer."""
        if self.active_response or any(self._owed.values()):
            return None
        if self._next_response is None and not self._results_due:
            return None
        if self._next_response is None:
            self._results_due = False
        response, self._next_response = self._next_response or {}, None
        self._last_response = response
        self._owed.clear()
        asked = (
            self._event("response.create", response=response) if response else self._event("response.create")
        )
        self.asked_id = f"bot_{self._sent}"
        return asked

    # ------------------------------------------------------------------ us → server

    def update(self) -> bytes:
        message = self._event("session.update", session=self.body)
        self.update_id = f"bot_{self._sent}"
        return message

    def listen_only(self, on: bool) -> bytes | None:
        """While on, the caller is heard and transcribed, and not answered; None without turn detection."""
        if self._detection is None:
            return None
        detection = {**self._detection, "create_response": False} if on else self._detection
        change = turn_detection_body(self._dialect, detection)
        self.body = merged(self.body, change)
        return self._event("session.update", session=change)

    def append(self, audio: bytes) -> bytes:
        # By hand: this is 50 messages a second and call, and base64 needs no escaping. Silence is one object,
        # again and again.
        if audio is not self._appended:
            self._appended = audio
            encoded = b2a_base64(audio, newline=False)
            self._append = b'{"type":"input_audio_buffer.append","audio":"' + encoded + b'"}'
        return self._append

    def remember(self, party: str, text: str) -> bytes:
        """What was said before this session, as an item: by the ``agent`` or by the ``caller``."""
        role, kind = ("assistant", AGENT_TEXT[self._dialect]) if party == "agent" else ("user", "input_text")
        content = [{"type": kind, "text": text}]
        return self._event(
            "conversation.item.create", item={"type": "message", "role": role, "content": content}
        )

    def tell(self, text: str) -> bytes:
        """Something of the caller that was not spoken, as an item of the conversation."""
        return self._message("user", text)

    def respond(self, response: Json | None = None) -> None:
        """Ask for a response as soon as none is active; see ``due``."""
        self._next_response = response or {}

    def meanwhile(self, response: Json) -> bytes | None:
        """A response for a moment of quiet: now, or not at all."""
        if self.active_response or self._next_response is not None or self._results_due:
            return None
        self._last_response = None
        return self._event("response.create", response=response)

    def forget_responses(self) -> None:
        """Nothing is to be said of its own accord any more: the caller has the word, or the call is left."""
        self._next_response, self._results_due = None, False

    def answer(self, response_id: str, call_id: str, output: str, *, respond: bool = True) -> bytes:
        """A function call's result; with ``respond`` the model is asked to go on once all are in."""
        self._owed.get(response_id, set()).discard(call_id)
        self._results_due = self._results_due or respond
        return self._event(
            "conversation.item.create",
            item={"type": "function_call_output", "call_id": call_id, "output": output},
        )

    def instruct(self, text: str) -> bytes:
        """One more instruction in the middle of the conversation."""
        return self._message("system", text)

    def said(self, text: str) -> bytes:
        """Words of the agent that the model did not make. They cannot be truncated: they have no audio."""
        return self.remember("agent", text)

    def late(self, response_id: str, call_id: str) -> None:
        """A function call takes long: the talk goes on, and its result brings a response of its own."""
        self._owed.get(response_id, set()).discard(call_id)

    def cancel(self) -> bytes:
        return self._event("response.cancel")

    def truncate(self, item_id: str, played_ms: int) -> bytes | None:
        """Cut an item to what was heard; None at 0 ms and when all of it was heard. While its audio is coming
        the server has more of it than we do."""
        received_ms = self.received_ms(item_id)
        audio_end_ms = min(played_ms, received_ms)
        if not audio_end_ms or (audio_end_ms == received_ms and item_id != self._coming):
            return None
        return self._event(
            "conversation.item.truncate",
            item_id=item_id,
            content_index=self._content_index.get(item_id, 0),
            audio_end_ms=audio_end_ms,
        )

    def _message(self, role: str, text: str) -> bytes:
        content = [{"type": "input_text", "text": text}]
        return self._event(
            "conversation.item.create", item={"type": "message", "role": role, "content": content}
        )

    def _event(self, kind: str, **fields: Any) -> bytes:
        self._sent += 1
        return orjson.dumps({"type": kind, "event_id": f"bot_{self._sent}", **fields})
