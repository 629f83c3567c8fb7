"""An attended transfer and a handoff that go wrong: somebody has the line again, whatever happened."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.call import consult
from bot.call.call import Call
from bot.call.desk import Desk
from bot.call.journal import Journal
from bot.call.ports import Departure
from bot.call.transfer import TABLE, Input, State
from bot.config.settings import Destination
from bot.errors import ModelError

DESK = Destination(dial="PJSIP/201", ring_timeout=1)


class FakeLeg:
    """Asterisk says yes to all; ``then`` happens while it connects the two people."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.aside = False
        self.then: Callable[[], None] = lambda: None
        self.answers: Callable[[], None] = lambda: None

    def second_id(self, attempt: int) -> str:
        return "second"

    async def hold(self) -> None:
        self.aside = True
        self.asked.append("hold")

    async def call_second(self, *_: Any) -> None:
        self.asked.append("call")
        self.answers()

    async def admit_second(self) -> None:
        self.asked.append("admit")

    async def connect_second(self) -> None:
        self.aside = False
        self.then()

    async def drop_second(self) -> None:
        self.asked.append("drop")

    async def take_back(self) -> None:
        self.aside = False
        self.asked.append("take back")


class FakeTalk:
    lost = False

    def __init__(self) -> None:
        transcription = SimpleNamespace(transcription=None)
        self.brief = SimpleNamespace(request=transcription, greeting="")
        self.conversation = SimpleNamespace(
            open=lambda what: None, prompt=lambda what: None, transcribed=self._never
        )
        self.closed = False

    async def _never(self, within_s: float) -> None:
        raise AssertionError("nothing is transcribed here")

    async def close(self) -> None:
        self.closed = True


class FakeCall:
    """What the desk needs of a call; ``line`` is who has had it, one after the other."""

    over = False
    partner = ""

    def __init__(self) -> None:
        self.journal = Journal(began=0.0)
        self.leg = FakeLeg()
        self.talk = self.agent = FakeTalk()
        self.line: list[Any] = [self.agent]
        self.connects: Callable[[], FakeTalk] = FakeTalk
        self.desk = Desk(cast(Call, self))

    def now(self) -> float:
        return 0.0

    def phone(self, name: str) -> Destination:
        return DESK

    def caller_id(self) -> str:
        return ""

    def brief_for(self, agent: str) -> Any:
        return None

    def step_aside(self, reason: str) -> bool:
        self.line.append(None)
        return True

    async def connect(self, brief: Any, said: Any = ()) -> FakeTalk:
        return self.connects()

    def prepare(self, talk: FakeTalk, *_: Any) -> Any:
        return talk.conversation

    async def aside(self) -> None:
        self.rest()

    def rest(self) -> None:
        self.line.append(None)

    def give_line(self, talk: FakeTalk) -> None:
        self.line.append(talk)

    async def step_out(self, name: str) -> None:
        self.partner = name

    def partner_left(self) -> None:
        raise AssertionError("the two were never connected")


@pytest.fixture(autouse=True)
def no_brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consult.Consultation, "_brief", lambda self, brief: brief)


def accepted(call: FakeCall) -> None:
    """The destination answers, and presses 1."""

    def answers() -> None:
        assert call.desk.consultation is not None
        call.desk.consultation.answered()
        asyncio.get_running_loop().call_later(0.02, call.desk.consultation.digit, "1")

    call.leg.answers = answers


async def test_connected() -> None:
    call = FakeCall()
    accepted(call)
    assert await call.desk.consult("desk", "…") == ""
    assert call.partner == "desk"
    assert call.line[-1] is None
    assert "drop" not in call.leg.asked


async def test_who_hangs_up_before_the_two_are_together_gives_the_caller_back() -> None:
    call = FakeCall()
    accepted(call)
    call.leg.then = lambda: cast(Any, call.desk.consultation).ended(16)
    assert await call.desk.consult("desk", "…") == "they hung up before they took the call"
    assert call.line[-1] is call.agent
    assert call.desk.consultation is None


async def test_nobody_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consult, "DECIDE_WITHIN_S", 0.05)
    call = FakeCall()
    call.leg.answers = lambda: cast(Any, call.desk.consultation).answered()
    assert "did not say" in await call.desk.consult("desk", "…")
    assert call.line[-1] is call.agent
    assert call.leg.asked == ["hold", "call", "admit", "drop", "take back"]


async def test_a_goodbye_to_the_destination_declines() -> None:
    call = FakeCall()

    def answers() -> None:
        consultation = cast(Any, call.desk.consultation)
        consultation.answered()
        consultation._talk_ended(Departure("hangup", "agent", "the agent said goodbye"))

    call.leg.answers = answers
    assert await call.desk.consult("desk", "…") == "they do not take the call"


async def test_a_yes_counts_when_somebody_has_spoken() -> None:
    call = FakeCall()
    problems: list[str] = []

    def answers() -> None:
        consultation = cast(Any, call.desk.consultation)
        consultation.answered()
        problems.append(call.desk.decide(accept=True))
        assert consultation.state is State.BRIEFING
        consultation._journal.note(1.0, "caller_started")
        problems.append(call.desk.decide(accept=True))

    call.leg.answers = answers
    assert await call.desk.consult("desk", "…") == ""
    assert problems == ["they have not said anything yet", ""]


class Surprise(Exception):
    pass


@pytest.mark.parametrize("where", ["hold", "call_second", "admit_second", "connect_second"])
async def test_a_fault_in_the_middle_gives_the_line_back(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call = FakeCall()
    accepted(call)

    async def fails(*_: Any) -> None:
        raise Surprise

    monkeypatch.setattr(call.leg, where, fails)
    with pytest.raises(Surprise):
        await call.desk.consult("desk", "…")
    assert call.line[-1] is call.agent
    assert call.desk.consultation is None
    assert not call.leg.aside


async def test_a_tool_whose_time_is_over_gives_the_line_back() -> None:
    call = FakeCall()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await call.desk.consult("desk", "…")
    assert call.line[-1] is call.agent
    assert call.leg.asked[-2:] == ["drop", "take back"]


async def test_a_call_that_is_over_is_left_alone() -> None:
    call = FakeCall()
    task = asyncio.create_task(call.desk.consult("desk", "…"))
    await asyncio.sleep(0.02)
    call.over = True
    task.cancel()
    await asyncio.wait([task])
    assert call.line[-1] is None
    assert "drop" not in call.leg.asked, "the release does that"


def unreachable() -> FakeTalk:
    raise ModelError("away")


def surprised() -> FakeTalk:
    raise Surprise


async def test_an_agent_that_cannot_be_reached_leaves_the_first_one_on_the_line() -> None:
    call = FakeCall()
    call.connects = unreachable
    assert await call.desk.hand_off("sales", "") == "the other agent cannot be reached"
    assert call.line[-1] is call.talk is call.agent


async def test_a_fault_in_a_handoff_leaves_the_first_one_on_the_line() -> None:
    call = FakeCall()
    call.connects = surprised
    with pytest.raises(Surprise):
        await call.desk.hand_off("sales", "")
    assert call.line[-1] is call.agent


async def test_a_handoff_that_fails_at_the_end_leaves_no_session_open() -> None:
    call = FakeCall()
    new = FakeTalk()
    new.lost = True
    call.connects = lambda: new
    assert await call.desk.hand_off("sales", "") == "the other agent was lost"
    assert call.line[-1] is call.talk is call.agent
    assert new.closed
    assert not call.agent.closed


async def test_handed_off() -> None:
    call = FakeCall()
    assert await call.desk.hand_off("sales", "") == ""
    assert call.line[-1] is call.talk is not call.agent
    assert call.agent.closed


def test_the_table_knows_who_left_too_early() -> None:
    assert TABLE[State.CONNECTED, Input.LEFT] is State.LEFT
