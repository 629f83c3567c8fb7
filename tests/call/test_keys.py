"""Keys within a talk, in virtual time: who is told of them, and what they interrupt."""

import asyncio
from typing import Any

import orjson
import pytest

from bot.call.keypad import Gathered, GatherParams
from bot.call.keys import TYPED_LONG
from bot.call.ports import CallControl, Departure
from bot.call.turns import State
from bot.realtime import events
from bot.tools.base import ToolResult
from tests.call.test_conversation import Line, voice


async def starts(line: Line, name: str, arguments: str = "{}", response: str = "r1") -> asyncio.Task[None]:
    """A function call of the model, begun and not awaited."""
    line.talk.on_model(events.FunctionCall(response, "c1", name, arguments))
    task: asyncio.Task[None] = asyncio.create_task(line.work.pop())
    await settle()
    return task


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def presses(line: Line, keys: str) -> None:
    for key in keys:
        line.talk.digit(key, 100)
        line.run(0.3)


def output(line: Line) -> dict[str, Any]:
    """What the latest function call gave the model."""
    told = [told for told in line.model.told if told[0] == "answer"][-1]
    result: dict[str, Any] = orjson.loads(told[2])
    return result | {"respond": told[3]}


def test_keys_that_nobody_asked_for_are_told_in_words_and_answered() -> None:
    line = Line()
    presses(line, "12#")
    line.run(1.5)
    assert line.model.told == []
    line.run(1)
    assert line.model.told == [("tell", "The caller pressed 1 2 #"), ("respond", {})]
    assert line.talk.journal.transcript[0].text == "[The caller pressed 1 2 #]"


def test_who_speaks_as_well_gets_one_answer() -> None:
    """The server answers the words; the keys are in the conversation by then."""
    line = Line()
    line.talk.on_model(events.SpeechStarted("u1", 0))
    presses(line, "1")
    line.run(3)
    assert line.model.told == [("tell", "The caller pressed 1")]


async def test_a_gather_takes_the_digits_and_the_agent_speaks_of_them() -> None:
    line = Line()
    line.begins()
    line.says(1)
    task = await starts(line, "gather_digits", '{"min_digits":4}')
    line.done()
    line.run(2)
    presses(line, "1234#")
    await task
    assert output(line)["digits"] == "1234"
    assert output(line)["respond"]
    line.run(5)
    assert not [told for told in line.model.told if told[0] == "tell"], "they are told once"


async def test_the_first_digit_stops_the_agent_and_the_result_is_still_spoken_about() -> None:
    line = Line()
    line.begins()
    line.says(10)
    task = await starts(line, "gather_digits")
    line.done()
    line.run(1)
    presses(line, "7")
    assert line.talk.turns.state is State.IDLE
    assert not any(line.audible[-10:])
    (_, item, played_ms) = next(told for told in line.model.told if told[0] == "interrupt")
    assert item == "i1"
    assert 900 <= played_ms <= 1100
    presses(line, "#")
    await task
    assert output(line)["respond"]


async def test_too_few_digits_are_a_failure_in_words() -> None:
    line = Line()
    line.begins()
    task = await starts(line, "gather_digits", '{"min_digits":4,"digit_timeout_s":1}')
    presses(line, "12")
    line.run(2)
    await task
    assert output(line)["error"] == "only 2 digits: no further digit was typed"


async def test_one_gather_at_a_time() -> None:
    line = Line()
    line.begins()
    task = await starts(line, "gather_digits")
    await starts(line, "gather_digits")
    assert "already" in output(line)["error"]
    presses(line, "5#")
    await task
    assert output(line)["digits"] == "5"


async def test_min_above_max_is_told_in_words() -> None:
    line = Line()
    line.begins()
    await line.calls("gather_digits", '{"min_digits":5,"max_digits":4}')
    assert "min_digits is more" in output(line)["error"]


async def test_leaving_ends_the_gather_and_later_digits_do_nothing() -> None:
    line = Line()
    line.begins()
    task = await starts(line, "gather_digits")
    line.done()
    presses(line, "12")
    line.talk.leave(Departure("hangup", "bot", "limit"))
    line.run(0.1)
    await task
    assert not output(line)["respond"]
    presses(line, "3")
    line.run(3)
    assert not [told for told in line.model.told if told[0] == "tell"]


async def test_a_cancelled_tool_leaves_no_gather_behind() -> None:
    line = Line()
    line.begins()
    task = await starts(line, "gather_digits")
    task.cancel()
    await settle()
    assert not line.talk.keys.keypad.gathering
    line.run(1)


def test_a_protected_greeting_is_heard_and_the_digit_counts() -> None:
    line = Line(greeting="Hello.", protect_greeting=True)
    line.begins()
    line.says(4)
    line.done()
    line.run(1)
    presses(line, "1")
    assert any(line.audible[-5:])
    line.run(4)
    assert ("tell", "The caller pressed 1") in line.model.told


def test_without_barge_in_keys_do_not_interrupt_either() -> None:
    line = Line(interruptible=False)
    line.begins()
    line.says(3)
    line.done()
    line.run(1)
    presses(line, "1")
    assert any(line.audible[-5:])


async def test_tones_wait_for_the_end_of_the_sentence() -> None:
    line = Line()
    line.begins()
    line.says(2)
    task = await starts(line, "send_dtmf", '{"digits":"12#"}')
    line.done()
    line.run(1.9)
    await settle()
    assert line.dialled == []
    line.run(0.3)
    await settle()
    assert line.dialled == ["12#"]
    line.says(1, item="i2")  # while they are sent, Asterisk would drop it
    line.run(0.5)
    await settle()
    assert not any(line.audible[-20:])
    line.run(1.5)
    await task
    assert output(line)["ok"]
    line.run(1)
    assert 20 * sum(line.audible) == pytest.approx(3000, abs=60), "every word is heard in the end"


@pytest.mark.parametrize("digits", ["", "12x", "1 2", "1w2", "1" * 33, "a", "１"])
async def test_what_is_no_digit_is_never_sent(digits: str) -> None:
    line = Line()
    await line.calls("send_dtmf", orjson.dumps({"digits": digits}).decode())
    assert "invalid arguments" in output(line)["error"]
    assert line.dialled == []


async def test_no_tones_into_a_goodbye() -> None:
    line = Line()
    line.begins()
    line.says(2)
    task = await starts(line, "send_dtmf", '{"digits":"1"}')
    line.talk.leave(Departure("hangup", "bot", "limit"))
    line.run(0.1)
    await task
    assert (line.dialled, output(line)["ok"]) == ([], False)


async def privately(line: Line) -> asyncio.Task[Gathered | None]:
    task = asyncio.create_task(line.talk.keys.gather_privately(GatherParams(max_digits=19)))
    await settle()
    return task


async def test_private_digits_are_heard_and_told_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    line = Line()
    recorded: list[bytes] = []
    line.talk._uplink._on_frame = recorded.append
    line.run(1, voice(1))
    task = await privately(line)
    before, heard = len(recorded), len(line.model.heard)
    line.run(1, voice(1))  # tones in the audio
    presses(line, "4929#")
    await settle()
    line.run(0.6, voice(1))
    assert not task.done(), "a tone ends later than it is told"
    line.run(0.3)
    await settle()
    assert await task == Gathered("4929", "terminator")
    during = recorded[before:]
    assert during == [bytes(320)] * len(during)
    assert not any(line.model.heard[heard + 960 :])
    assert not [kind for _, kind, _ in line.talk.journal.timeline if kind == "dtmf"]
    captured = capsys.readouterr()
    assert "dtmf_received" not in captured.out + captured.err
    line.run(1, voice(1))
    assert any(recorded[-1]), "then it goes on"
    assert any(line.model.heard[-9600:])


async def test_late_digits_of_a_private_gather_belong_to_nobody() -> None:
    line = Line()
    task = await privately(line)
    presses(line, "4929")
    line.run(4)
    await settle()
    presses(line, "12")  # within the second after it
    line.run(1.1)
    await settle()
    line.run(0.1)
    await task
    presses(line, "34")
    line.run(5)
    assert line.model.told == []
    line.run(6)
    presses(line, "5")
    line.run(3)
    assert line.model.told[0] == ("tell", "The caller pressed 5")


async def test_whatever_ends_a_private_gather_the_caller_is_heard_again() -> None:
    line = Line()
    task = await privately(line)
    presses(line, "49")
    task.cancel()
    await settle()
    assert not line.talk._uplink.private
    assert line.talk.keys.keypad.gathered is None, "and the digits are not kept"


async def test_a_second_gather_does_not_end_the_first_ones_privacy() -> None:
    line = Line()
    line.begins()
    task = await privately(line)
    await line.calls("gather_digits")
    assert "already" in output(line)["error"]
    assert line.talk.keys.private
    presses(line, "1#")
    await settle()
    line.run(1.1)
    assert await task == Gathered("1", "terminator")


async def test_who_says_the_number_instead_gets_one_answer() -> None:
    line = Line()
    line.begins()
    task = await starts(line, "gather_digits", '{"timeout_s":5}')
    line.done()
    line.run(1)
    line.talk.on_model(events.SpeechStarted("u1", 0))
    line.talk.on_model(events.SpeechStopped("u1", 900))
    line.run(5)
    await task
    assert output(line)["ended"] == "the caller spoke instead"
    assert not output(line)["respond"]


class Card:
    """Its being there is what makes keys private."""

    name = "pause_for_card"
    description = "…"
    timeout_s = 30.0
    say = ""

    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {"type": "object"}
        self.digits = ""

    async def run(self, call: CallControl, arguments: dict[str, Any]) -> ToolResult:
        gathered = await call.keys.gather_privately(GatherParams(max_digits=19))
        self.digits = gathered.digits if gathered else ""
        return ToolResult({"ok": True})


NUMBER = "4929718350614207"


def told(line: Line) -> list[str]:
    return [words[1] for words in line.model.told if words[0] == "tell"]


def test_a_long_number_is_told_to_no_agent_who_takes_cards(capsys: pytest.CaptureFixture[str]) -> None:
    line = Line(Card())
    for at in range(0, len(NUMBER), 4):  # in groups, with a look at the card in between
        presses(line, NUMBER[at : at + 4])
        line.run(5.6)
    line.run(3)
    presses(line, "12")  # what else belongs to it
    line.run(3)
    assert told(line) == [TYPED_LONG]
    assert [u.text for u in line.talk.journal.transcript] == [f"[{TYPED_LONG}]"]
    assert NUMBER[:4] not in "".join(capsys.readouterr())


def test_no_more_than_seven_digits_are_told_however_long_the_pauses_are() -> None:
    line = Line(Card())
    for at in range(0, len(NUMBER), 4):
        presses(line, NUMBER[at : at + 4])
        line.run(12)
    assert told(line)[:2] == ["The caller pressed " + " ".join(NUMBER[:4]), TYPED_LONG]
    assert set(told(line)[2:]) <= {TYPED_LONG}


def test_after_a_minute_digits_are_counted_anew() -> None:
    line = Line(Card())
    for number in ("4711", "4712"):
        presses(line, number)
        line.run(62)
    assert told(line) == ["The caller pressed 4 7 1 1", "The caller pressed 4 7 1 2"]


def test_late_keys_are_not_heard_and_not_noted() -> None:
    line = Line(Card())
    presses(line, NUMBER)
    line.run(9)
    assert told(line) == [TYPED_LONG]
    noted = len(line.talk.journal.timeline)
    line.talk.digit("1", 100)
    line.model.heard = b""
    line.run(0.9, voice(1))
    assert not any(line.model.heard)
    assert len(line.talk.journal.timeline) == noted
    line.run(1, voice(1))
    assert any(line.model.heard), "the last key is a second ago"


def test_other_agents_are_told_of_a_long_number() -> None:
    line = Line()
    presses(line, NUMBER)
    line.run(3)
    assert told(line) == ["The caller pressed " + " ".join(NUMBER)]


def test_a_short_number_is_told_to_an_agent_who_takes_cards() -> None:
    line = Line(Card())
    presses(line, "1")
    line.run(3)
    assert told(line) == ["The caller pressed 1"]


def test_from_the_first_key_on_nobody_hears_the_tones_of_what_may_be_a_card() -> None:
    line = Line(Card())
    line.talk.digit("4", 100)
    line.model.heard = b""
    line.run(1, voice(1))
    assert not any(line.model.heard)
    line.run(2)
    line.model.heard = b""
    line.run(1, voice(1))
    assert any(line.model.heard), "the run is over"


async def test_a_card_that_is_typed_before_the_function_is_called_goes_to_it() -> None:
    """The first key does not cancel the response that is about to call it."""
    card = Card()
    line = Line(card)
    line.begins()
    line.says(4)
    line.run(1)
    presses(line, NUMBER[:8])
    assert line.talk.turns.state is State.SPEAKING
    task = await starts(line, "pause_for_card")
    line.done()
    presses(line, NUMBER[8:] + "#")
    line.run(2)
    await task
    assert card.digits == NUMBER
    assert told(line) == []
    assert not any(line.audible[-10:]), "a later key has cut the sentence"


async def test_after_digits_that_were_asked_for_the_caller_is_heard() -> None:
    line = Line(Card())
    presses(line, "4")
    task = await starts(line, "gather_digits")
    presses(line, "711#")
    await task
    assert output(line)["digits"] == "4711"
    line.model.heard = b""
    line.run(1, voice(1))
    assert any(line.model.heard)


def test_a_new_talk_hears_the_caller_whatever_was_private() -> None:
    line = Line(Card())
    presses(line, "4")
    line.talk.take_line()
    line.model.heard = b""
    line.run(1, voice(1))
    assert any(line.model.heard)


def test_a_number_is_not_broken_by_the_operators_key() -> None:
    line = Line()
    presses(line, "47")
    assert line.talk.keys.wanted
    line.run(3)
    assert not line.talk.keys.wanted


async def test_tones_do_not_end_a_pause_that_is_the_callers() -> None:
    line = Line()
    line.begins()
    task = await starts(line, "send_dtmf", '{"digits":"12345"}')
    line.done()
    line.run(0.1)
    await settle()
    line.begins("r2")
    line.says(3, "r2")
    line.talk.turns.state = State.SUSPECT
    line.run(1.5)
    await task
    assert line.talk._downlink.playout.paused
