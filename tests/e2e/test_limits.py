"""Calls that end because nobody says anything, because time is up, or because all has been said."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.e2e.asterisk import Asterisk
from tests.e2e.bot import Bot, Model, settled
from tests.e2e.phone import Phone
from tests.e2e.speaking import agent_said

pytestmark = pytest.mark.asterisk

DIALPLAN = """
[phones]
exten => 110,1,Stasis(idle)
exten => 120,1,Stasis(asked)
exten => 130,1,Stasis(short)
exten => 140,1,Stasis(farewell)
"""
AGENTS = {"default": {"greeting": "Hello."}}
STILL_THERE = "Are you still there?"
GOODBYE = "Thank you for calling. Goodbye."


@pytest.fixture(scope="module")
def pbx() -> Iterator[Asterisk]:
    with Asterisk(phones=["phone"], dialplan=DIALPLAN) as asterisk:
        yield asterisk


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model() as model:
        yield model


@pytest.fixture
def phone(pbx: Asterisk) -> Iterator[Phone]:
    with Phone(pbx) as phone:
        yield phone
    settled(pbx)


def test_a_silent_caller_is_asked_twice_and_let_go_but_never_on_hold(
    pbx: Asterisk, model: Model, phone: Phone
) -> None:
    idle = {"prompt_after": 2, "prompts": 2}
    with Bot(pbx, model.url, asterisk={"app": "idle"}, agents=AGENTS, idle=idle) as bot:
        phone.dial("110")
        phone.wait_heard(5)
        phone.wait_silence(0.6)
        phone.hold()
        time.sleep(5)
        phone.unhold()
        trace = phone.wait_closed(40)
        row = bot.wait_ended(1)[0]
    assert (trace.ended_by, row["ended_by"], row["reason"]) == ("asterisk", "bot", "idle")
    assert agent_said(row) == ["Hello.", STILL_THERE, STILL_THERE, GOODBYE]
    kinds = [kind for _, kind, _ in row["timeline"]]
    assert "idle_prompt" not in kinds[kinds.index("hold") : kinds.index("unhold")]


def test_where_the_service_asks_nobody_is_asked_twice_as_often(
    pbx: Asterisk, model: Model, phone: Phone
) -> None:
    detection = {"idle_timeout_ms": 5000}
    with Bot(
        pbx,
        model.url,
        asterisk={"app": "asked"},
        agents=AGENTS,
        openai={"turn_detection": detection},
        idle={"prompt_after": 2},
    ) as bot:
        phone.dial("120")
        phone.wait_closed(60)
        row = bot.wait_ended(1)[0]
    assert row["reason"] == "idle"
    assert agent_said(row) == ["Hello.", STILL_THERE, STILL_THERE, GOODBYE]


def test_the_end_that_comes_is_mentioned_in_a_pause(pbx: Asterisk, model: Model, phone: Phone) -> None:
    limits = {"max_call_seconds": 10, "warn_before_s": 5}
    with Bot(pbx, model.url, asterisk={"app": "short"}, agents=AGENTS, calls=limits) as bot:
        phone.dial("130")
        trace = phone.wait_closed(30)
        row = bot.wait_ended(1)[0]
    assert row["reason"] == "max_call_seconds"
    assert len(agent_said(row)) == 3, "hello, the warning, goodbye"
    warned_s = row["transcript"][1]["at_s"]
    assert 5 <= warned_s < 10
    assert trace.last_audible is not None
    assert trace.last_audible > trace.invited + 10


def test_a_goodbye_without_the_function_ends_the_call(pbx: Asterisk, phone: Phone) -> None:
    with (
        Model(arguments=["--persona", "tests/e2e/personas/farewell.yaml"]) as model,
        Bot(
            pbx,
            model.url,
            asterisk={"app": "farewell"},
            agents=AGENTS,
            farewell={"auto_hangup": True, "grace_s": 2},
        ) as bot,
    ):
        phone.dial("140")
        phone.wait_heard(5)
        phone.wait_silence(0.6)
        phone.say("Goodbye.")
        phone.wait_heard(6, after=time.monotonic())
        phone.wait_silence(0.5)
        phone.say("Goodbye, I said.")  # within the grace period: the caller stays, and is answered
        trace = phone.wait_closed(30)
        row = bot.wait_ended(1)[0]
        warnings = bot.logged("AI used farewell phrase without invoking hangup_call tool")
    assert len(warnings) == 2
    assert (trace.ended_by, row["ended_by"], row["reason"]) == ("asterisk", "agent", "the agent said goodbye")
    assert agent_said(row) == ["Hello."] + 2 * ["Goodbye, and thank you for calling."]
    assert trace.ended is not None
    assert trace.last_audible is not None
    assert trace.ended - trace.last_audible >= 1.5
