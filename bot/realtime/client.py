"""The edge: one WebSocket, one ``RealtimeSession``, one call.

The link never raises into the call: ``connect`` raises before there is one, and ``run`` returns an
``Outcome``. The log lines worded as in the operators' guide are a contract; they are searched for.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.errors import ModelError, ProtocolError
from bot.log import get_logger
from bot.realtime import events
from bot.realtime.dialects import SessionRequest, differences
from bot.realtime.session import RealtimeSession
from bot.realtime.socket import WebSocket, connect
from bot.realtime.warm import WarmSession

log = get_logger("openai")

#: Close codes after which another try can work (RFC 6455 section 7.4.1).
RETRYABLE = frozenset({1001, 1005, 1006, 1011, 1012, 1013, 1015})
REMEDIES = {
    3000: "check openai.api_key (or OPENAI_API_KEY)",
    4000: "set openai.dialect to what the server speaks (ga for OpenAI)",
    4004: "check openai.model",
}
#: A warm session answers at once or is dead.
WARM_WITHIN_S = 3.0
NESTED_TOOLS = "session.tools[0].name"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the model is, and how to knock. ``headers`` carry the secrets; they are never logged."""

    url: str
    headers: Mapping[str, str]
    dialect: str
    connect_timeout: float = 10.0
    model: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session ended: a close code, in words, and whether another try can help."""

    code: int
    message: str
    retry: bool


class RealtimeClient:
    """One session with the model. ``on_event`` is called for each event, in order."""

    def __init__(
        self, endpoint: Endpoint, request: SessionRequest, on_event: Callable[[events.Event], None]
    ) -> None:
        self.session = RealtimeSession(endpoint.dialect, request)
        self.unknown_events = 0
        self._endpoint = endpoint
        self._on_event = on_event
        self._socket: WebSocket | None = None
        #: Done with "" at session.updated, or with the server's words when it refuses session.update.
        self._ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._last_fault = ""

    async def connect(self, warm: WarmSession | None = None) -> None:
        """Open the socket, configure the session and wait for ``session.updated``. ``warm``: a socket that is
        open already; should it be dead, another is opened.

        Raises ModelError, with the server's own words when it gave any.
        """
        timeout = self._endpoint.connect_timeout
        if warm is not None:
            try:
                self._socket = warm.socket
                self._socket.on_message = self._receive
                for message in warm.held:
                    self._receive(message)
                await self._set_up(min(timeout, WARM_WITHIN_S))
                return
            except ModelError as error:
                if self._ready.done():
                    raise  # it lives, and does not like our settings
                log.warning("warm_session_dead", error=str(error))
        self._socket = await connect(self._endpoint.url, self._endpoint.headers, self._receive, timeout)
        await self._set_up(timeout)

    async def _set_up(self, timeout: float) -> None:
        assert self._socket is not None
        self._send(self.session.update())
        log.info("OpenAI session configured with %d tools", len(self.session.body["tools"]))
        waiting: set[asyncio.Future[Any]] = {self._ready, self._socket.closed}
        await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if self._ready.done():
            await self._check_setup()
        elif self._socket.closed.done():
            outcome = self._outcome()
            raise ModelError(outcome.message, remedy=REMEDIES.get(outcome.code, ""), retry=outcome.retry)
        else:
            await self._socket.close(0)
            raise ModelError("the model took the connection but did not set up the session", retry=True)

    async def _check_setup(self) -> None:
        if refusal := self._ready.result():
            await self.close()
            raise ModelError(f"the model refused the session's settings: {refusal}")

    async def run(self) -> Outcome:
        """Keep the connection alive until it ends, by either side."""
        assert self._socket is not None
        await self._socket.keep_alive()
        return self._outcome()

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    # ------------------------------------------------------------------ to the model

    def append(self, audio: bytes) -> None:
        if audio:
            self._send(self.session.append(audio))

    def remember(self, party: str, text: str) -> None:
        self._send(self.session.remember(party, text))

    def tell(self, text: str) -> None:
        self._send(self.session.tell(text))

    def listen_only(self, on: bool) -> None:
        self._send(self.session.listen_only(on))

    @property
    def asked_id(self) -> str:
        return self.session.asked_id

    def respond(self, response: dict[str, Any] | None = None) -> None:
        self.session.respond(response)
        self._send(self.session.due())

    def answer(self, response_id: str, call_id: str, output: str, *, respond: bool = True) -> None:
        self._send(self.session.answer(response_id, call_id, output, respond=respond))
        self._send(self.session.due())

    def instruct(self, text: str) -> None:
        self._send(self.session.instruct(text))

    def said(self, text: str) -> None:
        """The agent has said ``text`` without the model, which takes it for its own words from here on."""
        self._send(self.session.said(text))

    def late(self, response_id: str, call_id: str) -> None:
        self.session.late(response_id, call_id)
        self._send(self.session.due())

    def interrupt(self, heard: Sequence[tuple[str, int]]) -> None:
        """The agent was cut off: stop the active response, if any, and cut each item to what was heard of it
        (its id, and the milliseconds that were played)."""
        if self.session.active_response:
            self._send(self.session.cancel())
        for item_id, played_ms in heard:
            self._send(self.session.truncate(item_id, played_ms))
        self.session.forget_responses()

    def meanwhile(self, response: dict[str, Any]) -> None:
        self._send(self.session.meanwhile(response))

    def forget(self) -> None:
        self.session.forget_responses()

    def _send(self, message: bytes | None) -> None:
        if message is not None and self._socket is not None:
            self._socket.send(message)

    # ------------------------------------------------------------------ from the model

    def _receive(self, message: bytes) -> None:
        try:
            event = self.session.receive(message)
        except ProtocolError as error:
            self.unknown_events += 1
            log.warning("model_event_unreadable", error=str(error))
            return
        if event is None:
            return
        try:
            self._note(event)
            self._on_event(event)
        except Exception:  # the boundary of an event: what one brings must not cost the connection
            log.exception("model_event_failed", type=type(event).__name__)
        self._send(self.session.due())

    def _note(self, event: events.Event) -> None:
        """Logs, and what belongs to setting up."""
        match event:
            case events.AgentAudio():
                log.debug("response.audio.delta: %d bytes", len(event.audio))
            case events.SessionCreated():
                log.info("OpenAI Realtime session created", session_id=event.session.get("id", ""))
            case events.SessionUpdated():
                log.info("Session updated with tools: %d", len(event.session.get("tools") or []))
                for name in differences(self.session.body, event.session):
                    log.warning("session_setting_ignored", setting=name)
                if not self._ready.done():
                    self._ready.set_result("")
            case events.FunctionCall():
                log.info("OpenAI function call detected: %s", event.name)
            case events.ResponseDone():
                self._last_fault = ""
                log.info("response.done received", status=event.status, reason=event.reason)
            case events.Fault():
                self._fault(event)
            case events.Unknown():
                self.unknown_events += 1
                log.debug("model_event", type=event.type)
            case _:
                pass

    def _fault(self, fault: events.Fault) -> None:
        if fault.code == "response_cancel_not_active":
            log.debug("model_error", code=fault.code)
            return
        self._last_fault = fault.message or fault.code
        if fault.code == "missing_required_parameter" and fault.param == NESTED_TOOLS:
            log.error(
                "missing_required_parameter: session.tools[0].name",
                remedy="tools are nested; send them flat, as registry.to_openai_realtime_schema() gives them",
            )
        else:
            log.error("model_error", code=fault.code, message=fault.message, param=fault.param)
        if fault.event_id and fault.event_id == self.session.update_id and not self._ready.done():
            self._ready.set_result(self._last_fault)

    def _outcome(self) -> Outcome:
        assert self._socket is not None
        code = self._socket.close_code
        reason = self._last_fault or self._socket.close_reason or "the connection was lost"
        return Outcome(code, f"the model closed the session ({code}): {reason}", code in RETRYABLE)
