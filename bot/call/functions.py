"""The model's function calls in one talk: each is run once, and its result told once.

A call that takes long is waited for no more: caller and agent talk on, and the result brings a response of
its own when it is there. No clock and no task of its own: the conversation ticks it and spawns ``run``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bot.call.journal import Journal
from bot.call.ports import CallControl, Model
from bot.log import get_logger
from bot.realtime.events import FunctionCall
from bot.tools.base import SAY, run_tool
from bot.tools.registry import ToolRegistry

log = get_logger("call")

#: After so long the talk goes on without the result; if the agent has said nothing, it says that it looks.
PATIENCE_S = 1.0
ASK_TO_SAY = 'Tell the caller, in the language of the talk and nothing else: "{say}"'
INTERRUPTED = '{"ok":false,"error":"the caller interrupted"}'
NO_SUCH = '{"ok":false,"error":"there is no such function"}'
ALREADY = '{"ok":false,"error":"this is already under way; its result will come by itself"}'


class Talk(CallControl, Protocol):
    """What a conversation tells about itself."""

    caller_speaking: bool

    @property
    def leaving(self) -> bool: ...
    @property
    def quiet(self) -> bool: ...
    def interrupted(self, response_id: str) -> bool: ...
    def overtaken(self, response_id: str) -> bool: ...
    def spoke(self, response_id: str, since: float) -> bool: ...
    def remark(self, what: str) -> None: ...


@dataclass(slots=True)
class Running:
    """``told``: the caller knows, or was told, that something is going on."""

    call: FunctionCall
    began: float
    say: str
    late: bool = False
    told: bool = False


class Functions:
    def __init__(
        self, talk: Talk, model: Model, registry: ToolRegistry, journal: Journal, clock: Callable[[], float]
    ) -> None:
        self._talk = talk
        self._model = model
        self._registry = registry
        self._journal = journal
        self._clock = clock
        self._running: dict[str, Running] = {}

    @property
    def busy(self) -> bool:
        return bool(self._running)

    async def run(self, call: FunctionCall) -> None:
        """Carry out one function call; cancelled with the call, it answers nothing."""
        began = self._clock()
        self._journal.note(began, "tool", call.name)
        tool = self._registry.get(call.name)
        entry = {"name": call.name if tool else "unknown", "ms": 0, "error": "the call ended"}
        self._journal.tools.append(entry)
        if self._talk.interrupted(call.response_id):
            output, respond, entry["error"] = INTERRUPTED, False, "interrupted"
        elif tool is None:
            output, respond, entry["error"] = NO_SUCH, True, "unknown"
        elif self._under_way(call):
            output, respond, entry["error"] = ALREADY, False, "already under way"
        else:
            work = self._running[call.call_id] = Running(call, began, getattr(tool, "say", SAY))
            try:
                result = await run_tool(tool, self._talk, call.arguments)
            finally:
                del self._running[call.call_id]
                entry["ms"] = round((self._clock() - began) * 1000)
            output, respond, entry["error"] = result.as_json(), result.respond, result.error
            respond = respond and self._is_new(work)
        log.info("tool_done", tool=entry["name"], ms=entry["ms"], ok=not entry["error"])
        # A farewell that leaving has asked for waits in the session until this answer is given.
        respond = respond and not self._talk.leaving
        self._model.answer(call.response_id, call.call_id, output, respond=respond)

    def refuse(self, call: FunctionCall) -> None:
        """One that came when the talk had lost the line."""
        self._model.answer(call.response_id, call.call_id, INTERRUPTED, respond=False)

    def tick(self, now: float) -> None:
        for work in self._running.values():
            if now - work.began >= PATIENCE_S:
                self._takes_long(work)

    def _takes_long(self, work: Running) -> None:
        if not work.late:
            work.late = True
            self._model.late(work.call.response_id, work.call.call_id)
        work.told = work.told or self._talk.spoke(work.call.response_id, since=work.began)
        if work.say and not work.told and self._talk.quiet:
            for each in self._running.values():
                each.told = True
            self._talk.remark(ASK_TO_SAY.format(say=work.say))

    def _is_new(self, work: Running) -> bool:
        """Whether a response is needed to tell a result: the answer to a caller who has the word knows it."""
        if self._talk.caller_speaking:
            return False
        return work.late or not self._talk.overtaken(work.call.response_id)

    def _under_way(self, call: FunctionCall) -> bool:
        """The model, which has no result yet, asks for the same again."""
        return any(
            (call.name, call.arguments) == (other.call.name, other.call.arguments)
            for other in self._running.values()
        )
