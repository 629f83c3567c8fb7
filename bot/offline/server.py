"""The embedded model's server: a Realtime WebSocket at ``/v1/realtime``, and ``/healthz``.

As the real service does, it accepts every handshake and refuses a wrong key or model afterwards: an
``error`` event, then a close code.
"""

import asyncio
import hmac
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import parse_qs, urlsplit

import orjson
import structlog
from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.http11 import Request, Response

from bot.errors import ResourceError
from bot.offline.brain import Brain
from bot.offline.connection import Connection
from bot.offline.dialect import DIALECTS
from bot.offline.ears import Ears, ScriptedEars, WhisperEars
from bot.offline.items import new_id
from bot.offline.parse import Refusal
from bot.offline.persona import DEFAULT_PERSONA, load_persona
from bot.offline.session import Session
from bot.offline.voice import RememberingVoice, SyntheticVoice, Voice, open_voice

log = structlog.get_logger()

PATH = "/v1/realtime"
MAX_FRAME_BYTES = 24 * 1024 * 1024
OFFLINE_MODEL = "offline"
MODELS = {
    "ga": frozenset(
        {
            "gpt-realtime-2.1",
            "gpt-realtime-2.1-mini",
            "gpt-realtime-2",
            "gpt-realtime-1.5",
            "gpt-realtime",
            "gpt-realtime-mini",
        }
    ),
    "beta": frozenset(
        {
            "gpt-realtime",
            "gpt-4o-realtime-preview",
            "gpt-4o-realtime-preview-2024-10-01",
            "gpt-4o-realtime-preview-2024-12-17",
            "gpt-4o-realtime-preview-2025-06-03",
            "gpt-4o-mini-realtime-preview",
            "gpt-4o-mini-realtime-preview-2024-12-17",
        }
    ),
}


@dataclass(frozen=True)
class OfflineParams:
    """``port`` 0 takes a free one. ``api_key``: when set, any other is refused. ``speed``: how many times
    faster than real time audio is delivered, 0 for at once. ``workers``: threads that listen. ``scripted``:
    ears that hear the persona's script and a synthetic voice. ``session_s``: a session's life in seconds.
    """

    host: str = "127.0.0.1"
    port: int = 0
    dialect: Literal["ga", "beta"] = "ga"
    scripted: bool = False
    persona: Path = DEFAULT_PERSONA
    api_key: str | None = None
    speed: float = 8.0
    workers: int = 2
    session_s: float = 3600.0


class Rejection(Exception):
    """A client is told why, and its connection closed."""

    def __init__(self, close_code: int, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.close_code = close_code
        self.refusal = refusal


class OfflineServer:
    """The embedded model. ``start``, then ``url`` is where it listens; ``close`` ends every session.

    ``start`` raises ``ConfigError`` for a bad persona and ``ResourceError`` when the port is taken or when
    ears or voice are not installed; it returns when both are ready.
    """

    def __init__(self, params: OfflineParams | None = None) -> None:
        self.params = params or OfflineParams()
        self._server: Server | None = None
        self._voice: Voice | None = None
        self._ears: Ears | None = None

    @property
    def port(self) -> int:
        assert self._server is not None, "not started"
        return int(next(iter(self._server.sockets)).getsockname()[1])

    @property
    def url(self) -> str:
        """``ws://127.0.0.1:PORT/v1/realtime``; clients add ``?model=``."""
        return f"ws://{self.params.host}:{self.port}{PATH}"

    async def start(self) -> None:
        params = self.params
        persona = load_persona(params.persona)
        self._brain = Brain(persona)
        self._ears = (
            ScriptedEars(persona.script) if params.scripted else WhisperEars(params.workers, persona.hint)
        )
        try:
            self._voice = RememberingVoice(SyntheticVoice()) if params.scripted else await open_voice()
            await asyncio.gather(self._ears.load(), self._voice.say(persona.greeting))
            self._server = await serve_websocket(
                self._serve_client,
                params.host,
                params.port,
                compression=None,
                max_size=MAX_FRAME_BYTES,
                process_request=_route,
            )
        except OSError as error:
            await self.close()
            raise ResourceError(
                f"the embedded model cannot listen on {params.host}:{params.port} ({error.strerror})",
                remedy="choose another port, or 0 for a free one",
            ) from error
        except BaseException:
            await self.close()
            raise
        log.info("offline_listening", url=self.url, dialect=params.dialect, scripted=params.scripted)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        if self._voice is not None:
            await self._voice.close()
            self._voice = None
        if self._ears is not None:
            self._ears.close()
            self._ears = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _serve_client(self, socket: ServerConnection) -> None:
        request = socket.request
        assert request is not None and self._ears is not None and self._voice is not None
        try:
            model = self._admit(request)
        except Rejection as rejection:
            await _reject(socket, rejection)
            return
        session = Session(DIALECTS[self.params.dialect], model, int(time.time() + self.params.session_s))
        log.debug("offline_session_opened", model=model)
        await Connection(
            socket,
            session,
            self._brain,
            self._ears,
            self._voice,
            speed=self.params.speed,
            lifetime_s=self.params.session_s,
        ).run()
        log.debug("offline_session_closed", model=model)

    def _admit(self, request: Request) -> str:
        """The model asked for. Raises ``Rejection``."""
        headers = request.headers
        if self.params.api_key is not None:
            given = headers.get("Authorization", "").removeprefix("Bearer ") or headers.get("api-key", "")
            if not hmac.compare_digest(given.encode(), self.params.api_key.encode()):
                raise Rejection(3000, Refusal("invalid_api_key", "Incorrect API key provided."))
        if self.params.dialect == "ga" and "realtime=v1" in headers.get("OpenAI-Beta", ""):
            message = "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."
            raise Rejection(4000, Refusal("beta_api_shape_disabled", message))
        model = parse_qs(urlsplit(request.path).query).get("model", [""])[0]
        if not model:
            raise Rejection(4000, Refusal("missing_model", "You must provide a model parameter.", "model"))
        if model not in MODELS[self.params.dialect] and not model.startswith(OFFLINE_MODEL):
            message = f"The model `{model}` does not exist or you do not have access to it."
            raise Rejection(4004, Refusal("model_not_found", message, "model"))
        return model


async def serve(params: OfflineParams, stop: asyncio.Event) -> None:
    """Runs the embedded model until ``stop`` is set. Raises what ``OfflineServer.start`` raises."""
    async with OfflineServer(params):
        await stop.wait()


def _route(connection: ServerConnection, request: Request) -> Response | None:
    path = urlsplit(request.path).path
    if path == "/healthz":
        return connection.respond(HTTPStatus.OK, "ok\n")
    if path not in (PATH, f"/openai{PATH}"):
        return connection.respond(HTTPStatus.NOT_FOUND, f"The Realtime API is at {PATH}.\n")
    return None


async def _reject(socket: ServerConnection, rejection: Rejection) -> None:
    refusal = rejection.refusal
    error = {
        "type": "invalid_request_error",
        "code": refusal.code,
        "message": refusal.message,
        "param": refusal.param,
        "event_id": None,
    }
    event = {"type": "error", "event_id": new_id("event"), "error": error}
    await socket.send(orjson.dumps(event), text=True)
    await socket.close(rejection.close_code, f"invalid_request_error.{refusal.code}")
