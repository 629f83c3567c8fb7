"""The idle clock by itself, and within a talk in virtual time."""

from typing import Any

import pytest

from bot.call.idle import IdleClock, IdleParams
from bot.call.ports import Departure
from bot.call.turns import State
from bot.config.settings import Farewell
from bot.realtime import events
from tests.call.test_conversation import Line, voice
from tests.call.test_keys import presses, settle, starts

PARAMS = IdleParams(prompt_after_s=15, prompts=2)


def line_of(**script: Any) -> Line:
    return Line(**{"idle": PARAMS, **script})


def asked(line: Line) -> int:
    return sum(
        "still there" in told[1].get("instructions", "") for told in line.model.told if told[0] == "respond"
    )


def answers(line: Line, n: int) -> None:
    """The agent says one second of something."""
    line.begins(f"q{n}")
    line.says(1, f"q{n}", f"i{n}")
    line.done(f"q{n}")
    line.run(1.1)


def test_two_questions_then_goodbye() -> None:
    clock = IdleClock(PARAMS, 0)
    told = [(now, said) for now in range(100) if (said := clock.tick(now, busy=False))]
    assert told == [
        (15, "ask"),
        (30, "ask"),
        (45, "goodbye"),
        (60, "goodbye"),
        (75, "goodbye"),
        (90, "goodbye"),
    ]


def test_whoever_is_busy_is_not_asked_and_is_not_forgiven_either() -> None:
    clock = IdleClock(PARAMS, 0)
    assert clock.tick(15, busy=False) == "ask"
    assert clock.tick(40, busy=True) is None
    assert clock.tick(54, busy=False) is None
    assert clock.tick(55, busy=False) == "ask"
    assert clock.tick(70, busy=False) == "goodbye"


def test_a_sign_of_life_starts_afresh() -> None:
    clock = IdleClock(PARAMS, 0)
    clock.tick(15, busy=False)
    clock.tick(30, busy=False)
    clock.heard(40)
    assert clock.tick(54, busy=False) is None
    assert clock.tick(55, busy=False) == "ask"


def test_zero_is_off() -> None:
    clock = IdleClock(IdleParams(prompt_after_s=0), 0)
    assert clock.tick(10_000, busy=False) is None


def test_a_silent_caller_is_asked_twice_and_let_go() -> None:
    line = line_of()
    for n in (1, 2):
        line.run(14.9)
        assert asked(line) == n - 1
        line.run(0.2)
        assert asked(line) == n
        answers(line, n)
    line.run(15)
    assert line.talk.turns.state is State.ASKED
    assert "goodbye" in line.model.told[-1][1]["instructions"]
    answers(line, 3)
    line.run(1)
    (departure,) = line.ended
    assert (departure.kind, departure.reason) == ("hangup", "idle")


def test_nobody_is_asked_on_hold() -> None:
    line = line_of()
    line.talk.hold(True)
    line.run(60)
    line.talk.hold(False)
    line.run(14.5)
    assert asked(line) == 0
    line.run(1)
    assert asked(line) == 1


def test_nobody_is_asked_while_he_speaks_or_types() -> None:
    line = line_of()
    line.run(14)
    line.talk.on_model(events.SpeechStarted("u1", 0))
    line.run(30, voice(1))
    line.talk.on_model(events.SpeechStopped("u1", 1000))
    line.run(14)
    presses(line, "1")
    line.run(5)
    assert asked(line) == 0


async def test_nobody_is_asked_while_a_tool_runs() -> None:
    line = line_of()
    line.begins()
    task = await starts(line, "gather_digits", '{"timeout_s":60}')
    line.done()
    line.run(50)
    assert asked(line) == 0
    line.run(11)
    await task


def test_nobody_is_asked_while_the_agent_is_heard() -> None:
    line = line_of()
    line.begins()
    line.says(40)
    line.done()
    line.run(54)
    assert asked(line) == 0


def test_where_the_server_asks_only_the_goodbye_is_ours_and_before_it_asks_again() -> None:
    line = line_of(idle=IdleParams(15, 2, server_after_s=6))
    line.run(60)
    assert asked(line) == 0
    for n in (1, 2):
        line.talk.on_model(events.IdleTimeout())
        answers(line, n)
        line.run(4.5)
        assert line.talk.turns.state is State.IDLE
    line.run(0.6)
    assert line.talk.turns.state is State.ASKED


def test_what_is_to_be_mentioned_waits_for_a_pause() -> None:
    line = Line()
    line.begins()
    line.says(3)
    line.done()
    line.run(1)
    line.talk.mention("One minute is left.")
    line.run(2.5)
    assert line.model.told == []
    line.run(1)
    (told,) = line.model.told
    assert told[1]["instructions"].endswith("One minute is left.")
    line.run(5)
    assert len(line.model.told) == 1, "once"


def says_goodbye(line: Line, n: int = 1) -> None:
    line.begins(f"g{n}")
    line.says(1, f"g{n}", f"gi{n}")
    line.talk.on_model(events.AgentTranscript(f"g{n}", f"gi{n}", "Thank you. Goodbye!"))
    line.done(f"g{n}")


AUTO = Farewell(auto_hangup=True, grace_s=3)


def test_a_goodbye_without_the_tool_ends_the_call_after_the_grace_period() -> None:
    line = Line(farewell=AUTO)
    says_goodbye(line)
    line.run(3.9)
    assert line.ended == []
    line.run(0.3)
    assert [(d.kind, d.by, d.reason) for d in line.ended] == [("hangup", "agent", "the agent said goodbye")]
    assert not line.model.told, "it has said its farewell"
    assert 20 * sum(line.audible) == pytest.approx(1000, abs=40)


@pytest.mark.parametrize("sign", ["speech", "key", "answer"])
def test_a_caller_who_goes_on_stays(sign: str) -> None:
    line = Line(farewell=AUTO)
    says_goodbye(line)
    line.run(3)
    if sign == "speech":
        line.talk.on_model(events.SpeechStarted("u1", 0))
        line.talk.on_model(events.SpeechStopped("u1", 500))
    elif sign == "key":
        presses(line, "1")
    else:
        line.begins("r9")
        line.done("r9")
    line.run(20)
    assert line.ended == []


def test_without_auto_hangup_it_is_only_a_warning() -> None:
    line = Line()
    says_goodbye(line)
    line.run(30)
    assert line.ended == []


async def test_five_goodbyes_in_every_way_end_the_call_once() -> None:
    line = Line(farewell=AUTO, idle=PARAMS)
    for n in range(5):
        says_goodbye(line, n)
        line.run(1.2)
    await line.calls("hangup_call", response="g4")
    line.talk.leave(Departure("hangup", "bot", "limit"))
    await settle()
    line.run(60)
    assert len(line.ended) == 1


def test_without_grace_the_goodbye_is_still_heard_to_its_end() -> None:
    line = Line(farewell=Farewell(auto_hangup=True, grace_s=0))
    says_goodbye(line)
    line.run(2)
    assert len(line.ended) == 1
    assert 20 * sum(line.audible) == pytest.approx(1000, abs=40)
