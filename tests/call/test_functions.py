"""Functions that take long: the talk goes on, the caller hears of it once, and the result is told once."""

import asyncio
from typing import Any

import pytest

from bot.call.ports import CallControl, Departure
from bot.call.turns import State
from bot.realtime import events
from bot.tools.base import ToolResult
from tests.call.test_conversation import Line, voice


class LookUp:
    """A function that takes as long as the test wants."""

    name = "look_up"
    description = "…"
    timeout_s = 30.0
    say = "I am looking that up."

    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {"type": "object"}
        self.runs = 0
        self.ready = asyncio.Event()

    async def run(self, call: CallControl, arguments: dict[str, Any]) -> ToolResult:
        self.runs += 1
        await self.ready.wait()
        return ToolResult({"ok": True, "answer": "shipped"})


class Bench:
    """A line with a ``LookUp``; ``calls`` has the model call it, ``settle`` lets its tasks run."""

    def __init__(self) -> None:
        self.look_up = LookUp()
        self.line = Line(self.look_up)
        self.tasks: list[asyncio.Task[None]] = []

    async def calls(self, call_id: str = "c1", response: str = "r1", arguments: str = "{}") -> None:
        self.line.talk.on_model(events.FunctionCall(response, call_id, "look_up", arguments))
        self.tasks += [asyncio.create_task(work) for work in self.line.work]
        self.line.work.clear()
        await asyncio.sleep(0)

    async def settle(self) -> None:
        self.look_up.ready.set()
        await asyncio.gather(*self.tasks)

    def told(self, kind: str) -> list[tuple[Any, ...]]:
        return [told for told in self.line.model.told if told[0] == kind]


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def a_silent_call(bench: Bench, response: str = "r1") -> None:
    """The model calls the function and says nothing."""
    bench.line.begins(response)
    await bench.calls(response=response)
    bench.line.done(response)


async def test_a_quick_result_brings_no_words(bench: Bench) -> None:
    await a_silent_call(bench)
    bench.line.run(0.9)
    await bench.settle()
    bench.line.run(3)
    assert bench.line.model.told == [("answer", "c1", '{"ok":true,"answer":"shipped"}', True)]


async def test_after_a_second_the_agent_says_that_it_looks_once(bench: Bench) -> None:
    await a_silent_call(bench)
    bench.line.run(8)
    (said,) = bench.told("meanwhile")
    assert "I am looking that up." in said[1]["instructions"]
    assert said[1]["tool_choice"] == "none"
    assert bench.told("late") == [("late", "c1")]
    await bench.settle()
    bench.line.run(3)
    assert len(bench.told("answer")) == 1


async def test_a_function_may_have_nothing_to_say(bench: Bench) -> None:
    bench.look_up.say = ""
    await a_silent_call(bench)
    bench.line.run(8)
    assert bench.told("late")
    assert not bench.told("meanwhile")


async def test_an_agent_that_said_so_does_not_say_it_again(bench: Bench) -> None:
    bench.line.begins()
    bench.line.says(0.5)
    await bench.calls()
    bench.line.done()
    bench.line.run(8)
    assert bench.told("late")
    assert not bench.told("meanwhile")


async def test_one_word_for_two_functions(bench: Bench) -> None:
    bench.line.begins()
    await bench.calls("c1")
    await bench.calls("c2", arguments='{"number":2}')
    bench.line.done()
    bench.line.run(8)
    assert len(bench.told("meanwhile")) == 1
    assert len(bench.told("late")) == 2


async def test_the_caller_may_talk_meanwhile_and_is_answered_with_the_result(bench: Bench) -> None:
    """The response to the caller's own words follows, and knows the result: no second one is asked for."""
    await a_silent_call(bench)
    bench.line.run(0.5)
    bench.line.talk.on_model(events.SpeechStarted("u1", 0))
    bench.line.run(2, voice(2))
    assert not bench.told("meanwhile"), "nobody talks over the caller"
    await bench.settle()
    assert bench.told("answer")[0][3] is False


async def test_a_result_that_comes_after_other_words_is_told(bench: Bench) -> None:
    await a_silent_call(bench)
    bench.line.run(0.5)
    bench.line.talk.on_model(events.SpeechStarted("u1", 0))
    bench.line.run(1, voice(1))
    bench.line.talk.on_model(events.SpeechStopped("u1", 0))
    bench.line.begins("r2")
    bench.line.says(1, "r2", "i2")
    bench.line.done("r2")
    bench.line.run(3)
    assert not bench.told("meanwhile"), "the agent has spoken since"
    await bench.settle()
    assert bench.told("answer") == [("answer", "c1", '{"ok":true,"answer":"shipped"}', True)]


async def test_talking_over_the_announcement_does_not_lose_the_result(bench: Bench) -> None:
    bench.line.begins()
    bench.line.says(5)
    await bench.calls()
    bench.line.done()
    bench.line.run(1)
    bench.line.run(1, voice(1))
    assert bench.told("interrupt")
    bench.line.run(3)
    await bench.settle()
    assert bench.told("answer")[0][3] is True


async def test_the_same_asked_twice_is_done_once(bench: Bench) -> None:
    await a_silent_call(bench)
    bench.line.run(2)
    bench.line.begins("r2")
    await bench.calls("c2", "r2")
    bench.line.done("r2")
    await bench.settle()
    assert bench.look_up.runs == 1
    assert [(call_id, respond) for _, call_id, _, respond in bench.told("answer")] == [
        ("c2", False),
        ("c1", True),
    ]
    assert [tool["error"] for tool in bench.line.talk.journal.tools] == ["", "already under way"]


async def test_a_call_that_ends_cancels_it_and_the_record_says_so(bench: Bench) -> None:
    await a_silent_call(bench)
    bench.line.run(2)
    bench.line.talk.gone(Departure("hangup", "caller", "caller hung up"))
    for task in bench.tasks:
        task.cancel()
    await asyncio.wait(bench.tasks)
    assert not bench.told("answer")
    assert bench.line.talk.journal.tools == [{"name": "look_up", "ms": 2000, "error": "the call ended"}]


async def test_a_goodbye_does_not_wait_for_it_nor_is_it_told_then(bench: Bench) -> None:
    await a_silent_call(bench)
    bench.line.run(2)
    bench.line.talk.leave(Departure("hangup", "bot", "max_call_seconds", say="Say that time is up."))
    bench.line.begins("r2")
    bench.line.says(1, "r2", "i2")
    bench.line.done("r2")
    assert bench.line.talk.turns.state is State.FAREWELL_DONE
    await bench.settle()
    assert bench.told("answer")[0][3] is False
    bench.line.run(2)
    assert len(bench.line.ended) == 1
