"""A model that is lost in the middle of a talk: the same agent goes on, on a new session."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.asterisk import Asterisk, wait_for
from tests.e2e.bot import Bot, settled
from tests.e2e.gate import Gate
from tests.e2e.persona import acting, intent
from tests.e2e.phone import Phone
from tests.e2e.test_allow_list import told

pytestmark = pytest.mark.asterisk

GREETING = "Hello, this is the bicycle shop, and we are open all day long."
SORRY = "I am sorry, I was gone for a moment. Where were we?"
COSTS = "It costs ten dollars."
BYE = intent("goodbye", "hangup_call", after="Goodbye.")


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    with acting(tmp_path, ["cost", "goodbye"], BYE, cost=COSTS) as model, Gate(model.url) as gate:
        yield gate


@pytest.fixture
def bot(asterisk: Asterisk, gate: Gate) -> Iterator[Bot]:
    with Bot(asterisk, gate.url, agents={"default": {"greeting": GREETING}}) as running:
        yield running
        settled(asterisk)
        assert running.metric("voicebot_calls_active") == 0
        assert running.metric("voicebot_rtp_ports_free") == 500


def said(bot: Bot, words: str) -> bool:
    return any(line["transcript"] == words for line in bot.logged("agent_said"))


@pytest.mark.parametrize("when", ["while nobody speaks", "while the agent speaks"])
def test_the_agent_goes_on(asterisk: Asterisk, gate: Gate, bot: Bot, when: str) -> None:
    """And knows what was said; what had come of its words is heard to the end."""
    with Phone(asterisk) as phone:
        phone.dial("100")
        phone.wait_heard(5)
        if when == "while nobody speaks":
            phone.wait_silence(1.0)
        else:  # all of it has come long before it is heard
            wait_for("all of the greeting", lambda: said(bot, GREETING), 5, 0.02)
        lost = time.monotonic()
        gate.cut()
        wait_for("the agent to be back", lambda: said(bot, SORRY), 10)
        back = time.monotonic()
        phone.wait_silence(1.0)
        phone.say("What does a tyre cost?")
        wait_for("an answer", lambda: said(bot, COSTS), 10)
        phone.wait_silence(1.0)
        phone.say("Goodbye.")
        assert phone.wait_closed(20).ended_by == "asterisk"
        row = bot.wait_ended(1)[0]
    print(f"\nlost {when}: back {back - lost:.2f} s later")
    items = [event.get("item", {}) for sent in gate.sent for event in told(bytes(sent))]
    assert [item["content"][0]["text"] for item in items if item.get("role") == "assistant"] == [GREETING]
    assert [(u["party"], u["text"]) for u in row["transcript"]][:4] == [
        ("agent", GREETING),
        ("agent", SORRY),
        ("caller", "cost"),
        ("agent", COSTS),
    ]
    assert (row["outcome"], row["ended_by"]) == ("hangup", "agent")
    assert "model_replaced" in [kind for _, kind, _ in row["timeline"]]


def test_a_model_that_is_lost_again_at_once_is_given_up(asterisk: Asterisk, gate: Gate, bot: Bot) -> None:
    with Phone(asterisk) as phone:
        phone.dial("100")
        phone.wait_heard(5)
        gate.cut()
        bot.wait_logged("model_replaced", 10)
        gate.cut()
        assert phone.wait_closed(20).ended_by == "asterisk"
        row = bot.wait_ended(1)[0]
    assert (row["outcome"], row["reason"]) == ("continue", "model_lost")
    assert "refused=model" in asterisk.log_tail(100)
