"""Live control for other programs: ``/api/calls``, with a token; described in docs/api.md.

Everything goes the way that the model's own functions go, so nothing more is allowed here but outbound calls,
and those only to ``outbound.allow``.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from bot.call.call import Call
from bot.call.controller import Controller
from bot.call.conversation import Conversation
from bot.call.outbound import Order
from bot.call.ports import Departure
from bot.config.settings import Settings
from bot.errors import OrderRefused
from bot.log import get_logger
from bot.records.row import row_of
from bot.records.store import CallStore
from bot.tools.base import run_tool
from bot.tools.registry import ToolRegistry
from bot.web import models
from bot.web.openapi import Operation, document

log = get_logger("api")

#: Events that a slow watcher may leave unread; then he is let go.
MOST_UNREAD = 1000
PING_EVERY_S = 20.0
ENDED = "ended"
STATUS = {"not_allowed": 403, "too_many": 429, "draining": 503}
M = TypeVar("M", bound=BaseModel)

OF_A_BODY, OF_A_CALL = (400, 413, 422), (404,)
ON_A_CALL = (*OF_A_BODY, *OF_A_CALL, 409)
ONE = "/api/calls/{id}"
DONE, UNDER_WAY = (200, models.Accepted), (202, models.Accepted)
OPERATIONS = (
    Operation("list_calls", "GET", "/api/calls", "The calls in progress", (200, models.CallList), ()),
    Operation(
        "place_call",
        "POST",
        "/api/calls",
        "Call somebody",
        (201, models.Accepted),
        (*OF_A_BODY, 409, *STATUS.values()),
        models.NewCall,
    ),
    Operation("get_call", "GET", ONE, "A call, also one that has ended", (200, models.CallView), OF_A_CALL),
    Operation("hang_up", "POST", f"{ONE}/hangup", "End the call", UNDER_WAY, ON_A_CALL, models.Hangup),
    Operation(
        "transfer", "POST", f"{ONE}/transfer", "Send the caller on", UNDER_WAY, ON_A_CALL, models.Transfer
    ),
    Operation("say", "POST", f"{ONE}/say", "Have the agent say it", UNDER_WAY, ON_A_CALL, models.Say),
    Operation(
        "instruct", "POST", f"{ONE}/instructions", "Instruct the agent", UNDER_WAY, ON_A_CALL, models.Instruct
    ),
    Operation("mute", "POST", f"{ONE}/mute", "Mute the agent, or not", DONE, ON_A_CALL, models.Mute),
)


class Refusal(Exception):
    def __init__(self, status: int, error: str, remedy: str = "") -> None:
        super().__init__(error)
        self.status = status
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Api:
    """``attach`` it to an application. ``controller`` knows the calls in progress, ``store`` the others."""

    settings: Settings
    controller: Controller
    store: CallStore
    registry: ToolRegistry

    def attach(self, app: web.Application) -> None:
        text = orjson.dumps(document(OPERATIONS))
        for one in OPERATIONS:
            app.router.add_route(one.method, one.path, self._guarded(getattr(self, one.name)))
        app.router.add_get("/api/calls/{id}/events", self._guarded(self.events))
        app.router.add_get("/api/openapi.json", self._guarded(_answer_with(text)))

    def _guarded(
        self, handle: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """With the token only; refusals become a ``Problem``."""
        expected = f"Bearer {self.settings.web.api_token.get_secret_value()}".encode()

        async def guarded(request: web.Request) -> web.StreamResponse:
            given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
            try:
                if not hmac.compare_digest(given, expected):
                    raise Refusal(401, "no valid token", "send Authorization: Bearer TOKEN (web.api_token)")
                return await handle(request)
            except Refusal as refusal:
                problem = models.Problem(error=str(refusal), remedy=refusal.remedy)
                headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else None
                return _json(problem, refusal.status, headers)

        return guarded

    # ------------------------------------------------------------------ calls

    async def list_calls(self, request: web.Request) -> web.Response:
        views = [models.CallView.model_validate(row_of(call)) for call in self.controller.calls.values()]
        return _json(models.CallList(calls=views))

    async def place_call(self, request: web.Request) -> web.Response:
        wanted = await _read(request, models.NewCall)
        if wanted.agent and wanted.agent not in self.settings.agents:
            raise Refusal(409, f"there is no agent {wanted.agent}", "agents: in config.yaml names them")
        try:
            call = self.controller.place(Order(wanted.endpoint, wanted.agent, wanted.variables))
        except OrderRefused as error:
            log.warning("order_refused", endpoint=wanted.endpoint, why=error.why)
            raise Refusal(STATUS[error.why], error.message, error.remedy) from error
        return _json(models.Accepted(id=call.id), 201)

    async def get_call(self, request: web.Request) -> web.Response:
        call_id = request.match_info["id"]
        call = self.controller.calls.get(call_id)
        row = await self.store.get(call_id) if call is None else row_of(call)
        if row is None:
            raise Refusal(404, f"there is no call {call_id}")
        return _json(models.CallView.model_validate(row))

    # ------------------------------------------------------------------ one call

    async def hang_up(self, request: web.Request) -> web.Response:
        call = self._call(request)
        wanted = await _read(request, models.Hangup)
        departure = Departure("hangup", "operator", "hung up over the API", say=wanted.say)
        if wanted.say and call.talk is not None:
            call.leave(departure)
        else:
            call.gone(departure)
        return _json(models.Accepted(id=call.id), 202)

    async def transfer(self, request: web.Request) -> web.Response:
        call, conversation = self._talking(request)
        wanted = await _read(request, models.Transfer)
        tool = self.registry.get("transfer_call")
        if tool is None:
            raise Refusal(409, "there are no destinations", "name them under destinations: in config.yaml")
        result = await run_tool(tool, conversation, wanted.model_dump_json())
        if result.error:
            raise Refusal(409, result.error, f"destinations: {', '.join(self.settings.destinations)}")
        call.journal.note(call.now(), "operator", "transfer")
        return _json(models.Accepted(id=call.id), 202)

    async def say(self, request: web.Request) -> web.Response:
        call, conversation = self._talking(request)
        wanted = await _read(request, models.Say)
        conversation.prompt(f'Say this now, word for word: "{wanted.text}"')
        return _json(models.Accepted(id=call.id), 202)

    async def instruct(self, request: web.Request) -> web.Response:
        call, conversation = self._talking(request)
        wanted = await _read(request, models.Instruct)
        conversation.instruct(wanted.text)
        return _json(models.Accepted(id=call.id), 202)

    async def mute(self, request: web.Request) -> web.Response:
        call, conversation = self._talking(request)
        wanted = await _read(request, models.Mute)
        conversation.mute(wanted.muted)
        return _json(models.Accepted(id=call.id))

    async def events(self, request: web.Request) -> web.WebSocketResponse:
        """The call as it is, then what happens on it, as JSON texts; closed after ``ended``."""
        call = self._call(request)
        socket = web.WebSocketResponse(heartbeat=PING_EVERY_S)
        unread: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MOST_UNREAD)
        view = models.CallView.model_validate(row_of(call)).model_dump()
        unread.put_nowait({"event": "call", "call": view})
        sending: asyncio.Task[None] | None = None

        def tell(event: dict[str, Any]) -> None:
            if not unread.full():
                unread.put_nowait(event)
            elif sending is not None:
                sending.cancel()

        call.journal.watchers.append(tell)  # before anything is awaited: nothing happens in between
        try:
            await socket.prepare(request)
            sending = asyncio.create_task(_send(unread, socket))
            async for _ in socket:  # nothing is taken; this notices that the watcher has gone
                pass
        finally:
            call.journal.watchers.remove(tell)
            if sending is not None:
                sending.cancel()
        return socket

    def _call(self, request: web.Request) -> Call:
        call_id = request.match_info["id"]
        call = self.controller.calls.get(call_id)
        if call is None:
            raise Refusal(404, f"there is no call {call_id} in progress")
        return call

    def _talking(self, request: web.Request) -> tuple[Call, Conversation]:
        call = self._call(request)
        talk = call.talk
        if call.departure is not None or talk is None or call.conversation is not talk.conversation:
            raise Refusal(409, "the agent is not talking to the caller", "wait until it does")
        assert call.conversation is not None
        if call.conversation.leaving:
            raise Refusal(409, "the call is being left already", "ask for it sooner")
        return call, call.conversation


async def _send(unread: asyncio.Queue[dict[str, Any]], socket: web.WebSocketResponse) -> None:
    try:
        event: dict[str, Any] = {}
        while event.get("event") != ENDED:
            event = await unread.get()
            await socket.send_str(orjson.dumps(event).decode())
    except ConnectionError:
        pass  # the watcher has gone
    finally:
        await socket.close()


async def _read(request: web.Request, model: type[M]) -> M:
    """The request's body. Raises Refusal in words."""
    try:
        return model.model_validate(orjson.loads(await request.read()))
    except web.HTTPRequestEntityTooLarge as error:
        raise Refusal(413, "the body is too large", "see /api/openapi.json") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors())
        raise Refusal(422, wrong, "see /api/openapi.json") from error
    except ValueError as error:
        raise Refusal(400, f"the body is no JSON: {error}", "see /api/openapi.json") from error


def _json(model: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=model.model_dump_json().encode(), status=status, headers=headers, content_type="application/json"
    )


def _answer_with(text: bytes) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=text, content_type="application/json")

    return answer
