"""How a call ends, by whom, and for whom: without an Asterisk, since only the decision is looked at."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.call.call import Call, refused
from bot.call.house import House
from bot.call.line import Line
from bot.call.outbound import Order, dialled
from bot.call.ports import Departure

NOWHERE = Departure("continue", "model", "model_lost", variables=refused("model"))
SOMEWHERE = Departure("continue", "agent", "transferred to sales", context="destinations", exten="200")


def a_call(order: Order | None = None) -> Call:
    ari = SimpleNamespace(app="a")
    return Call(cast(House, SimpleNamespace(ari=ari)), "1", dialled("c", "", "PJSIP/200"), (), order)


def has_it(conversation: SimpleNamespace) -> Line:
    """A line that it has."""
    return cast(Line, SimpleNamespace(conversation=conversation))


def ending(call: Call) -> Departure:
    assert call.over
    return call._ended.result()


@pytest.mark.parametrize("departure", [NOWHERE, SOMEWHERE])
async def test_a_caller_goes_on_in_his_dialplan(departure: Departure) -> None:
    call = a_call()
    call.gone(departure)
    assert ending(call) == departure


async def test_whom_we_called_has_no_dialplan_to_go_on_in() -> None:
    call = a_call(Order("PJSIP/200"))
    call.gone(NOWHERE)
    assert (ending(call).kind, ending(call).reason) == ("hangup", "model_lost")
    cut = a_call(Order("PJSIP/200"))
    cut.interruption = "shutdown"
    assert cut._cut_short().kind == "hangup"


async def test_whom_we_called_may_be_sent_to_a_place() -> None:
    call = a_call(Order("PJSIP/200"))
    call.gone(SOMEWHERE)
    assert ending(call) == SOMEWHERE


class Connected:
    """A call whose caller talks to the desk."""

    def __init__(self) -> None:
        self.call = a_call()
        self.call._partner = "desk"
        operator = Departure("continue", "bot", "key 0", context="phones", exten="0")
        self.call.brief = cast(Any, SimpleNamespace(operator=SimpleNamespace(key="0", departure=operator)))


async def test_keys_of_people_who_talk_to_each_other_are_their_own() -> None:
    connected = Connected()
    connected.call.digit("0", 100)
    assert not connected.call.over


@pytest.mark.parametrize("say", ["", "Goodbye."])
async def test_an_operator_ends_both_sides_of_two_people_who_talk(say: str) -> None:
    """«By the caller» would mean that his channel is gone already, and leave it in silence."""
    call = Connected().call
    departure = Departure("hangup", "operator", "hung up over the API", say=say)
    call.leave(departure) if say else call.gone(departure)
    assert (ending(call).kind, ending(call).by) == ("connected", "operator")


async def test_who_leaves_ends_the_talk_of_two_people() -> None:
    first, second = Connected().call, Connected().call
    first.gone(Departure("hangup", "caller", "caller hung up"))
    second.partner_left()
    assert (ending(first).by, ending(second).by) == ("caller", "destination")


async def test_the_operators_key_is_that_of_the_agent_who_talks() -> None:
    call = a_call()
    place = Departure("continue", "bot", "key", context="phones", exten="0")
    first, second = (SimpleNamespace(operator=SimpleNamespace(key=key, departure=place)) for key in "09")
    talk = SimpleNamespace(brief=second, conversation=None)
    call.brief, call.talk = cast(Any, first), cast(Any, talk)
    call.digit("0", 100)
    assert not call.over
    call.digit("9", 100)
    assert ending(call) == place


async def test_the_warning_of_the_time_limit_is_for_the_caller() -> None:
    call = a_call()
    mentioned: list[str] = []
    call.talk = cast(Any, SimpleNamespace(conversation=SimpleNamespace(mention=mentioned.append)))
    call.line = has_it(SimpleNamespace())  # the destination's
    call._house = cast(
        Any, SimpleNamespace(settings=SimpleNamespace(calls=SimpleNamespace(warn_before_s=30)))
    )
    call._warn()
    assert len(mentioned) == 1


async def test_a_hold_is_the_callers_and_waits_for_his_talk() -> None:
    call = a_call()
    held: list[bool] = []
    callers = SimpleNamespace(hold=held.append)
    call.talk = cast(Any, SimpleNamespace(conversation=callers))
    call.line = has_it(SimpleNamespace(hold=lambda on: pytest.fail("not the destination's")))
    call.hold(True)
    call.line = has_it(callers)
    call.hold(False)
    assert held == [False]
    assert [kind for _, kind, _ in call.journal.timeline] == ["hold"]
