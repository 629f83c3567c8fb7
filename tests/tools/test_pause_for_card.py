"""What the model is told of a payment service's answer."""

import asyncio

import pytest

from bot.call.ports import Departure
from bot.config.settings import Card, Settings
from bot.tools.pause_for_card import HIDDEN, PauseForCard, chosen, without
from bot.tools.registry import built_tools
from tests.call.test_conversation import Line
from tests.call.test_keys import presses


@pytest.mark.parametrize(
    ("path", "told"),
    [("result.status", "paid"), ("result", '{"status":"paid","left":2}'), ("result.left", "2"), ("", "")],
)
def test_a_part_of_the_answer(path: str, told: str) -> None:
    assert chosen(b'{"result":{"status":"paid","left":2}}', path) == told


@pytest.mark.parametrize("answer", [b"", b"paid", b"[1]", b"{}", b'{"result":"paid"}', b"\xff"])
def test_a_part_that_is_not_there(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r"there is no result\.status"):
        chosen(answer, "result.status")


def test_a_long_answer_is_cut() -> None:
    assert len(chosen(b'{"a":"' + b"x" * 5000 + b'"}', "a")) == 300


@pytest.mark.parametrize("told", ["4929", "card 4929 accepted", "49-29", "4 9 2 9", "x4,9.2:9"])
def test_digits_that_come_back_are_hidden(told: str) -> None:
    assert without("4929", told) == HIDDEN


def test_other_digits_are_not() -> None:
    assert without("4929", "paid 49.90, ref 17") == "paid 49.90, ref 17"


def test_without_an_address_there_is_no_such_tool() -> None:
    assert "pause_for_card" not in [tool.name for tool in built_tools(Settings())]
    card = {"url": "https://pay.example.org"}
    settings = Settings.model_validate({"card": card})
    assert "pause_for_card" in [tool.name for tool in built_tools(settings)]


async def test_a_call_that_ends_while_a_card_is_typed_sends_nothing() -> None:
    """Nobody listens at that address: a try would end with another error."""
    line = Line()
    tool = PauseForCard(Card(url="http://127.0.0.1:9/pay"))
    task = asyncio.create_task(tool.run(line.talk, {"field": "number"}))
    await asyncio.sleep(0)
    presses(line, "49297183506142")
    line.talk.leave(Departure("hangup", "bot", "limit"))
    for _ in range(3):
        line.run(1.1)
        await asyncio.sleep(0)
    assert (await task).error == "the call is ending"
