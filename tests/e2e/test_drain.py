"""SIGTERM in the middle of calls: they end by themselves, or hear a word and go on in the dialplan."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.asterisk import Asterisk, wait_for
from tests.e2e.bot import Bot, Model, settled
from tests.e2e.phone import Phone

pytestmark = pytest.mark.asterisk

Landed = Callable[[str], None]

# 170 leads to two bots, one after the other: the second takes the calls that the first does not take.
DIALPLAN = """
[phones]
exten => 170,1,Stasis(voicebot)
 same => n,Stasis(voicebot-2)
 same => n,Goto(agent-away,s,1)
"""
#: The agent's word at the end of the drain; the scripted voice takes 0.3 s for each.
WORD = "I am sorry, I have to leave this call now. Please hold the line."


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model() as running:
        yield running


@pytest.fixture(scope="module")
def pbx() -> Iterator[Asterisk]:
    """With somebody who takes the calls that the bot hands back."""
    with Asterisk(phones=["phone", "201"], dialplan=DIALPLAN, fallback="200") as asterisk:
        yield asterisk


@pytest.fixture(autouse=True)
def nothing_left(pbx: Asterisk) -> Iterator[None]:
    yield
    settled(pbx)


def terminate(bot: Bot) -> None:
    assert bot.process is not None
    bot.process.terminate()


def ended(bot: Bot, timeout: float) -> int:
    assert bot.process is not None
    return bot.process.wait(timeout)


@pytest.fixture
def landed(pbx: Asterisk) -> Landed:
    """Waits until a call of this test has come to the line after Stasis, and from there to the fallback."""
    before = len(pbx.log_file.read_text())

    def wait(refused: str) -> None:
        def arrived() -> bool:
            _, line, after = pbx.log_file.read_text()[before:].partition(f"refused={refused}\n")
            return bool(line) and "sounds/sales" in after

        wait_for(f"the fallback to take a call (refused={refused})", arrived, 20, 0.1)

    return wait


def test_a_drain_refuses_new_calls_and_lets_old_ones_end(pbx: Asterisk, model: Model, landed: Landed) -> None:
    with Bot(pbx, model.url) as bot, Phone(pbx) as first, Phone(pbx, "201") as second:
        first.dial("100")
        first.wait_heard(5)
        terminate(bot)
        bot.wait_logged("draining")
        assert bot.get("/readyz")[0] == 503
        second.dial("100")
        landed("draining")
        assert first.trace().ended is None, "the call in progress goes on"
        first.wait_silence(0.6)
        first.say("What are your opening hours?")
        first.wait_heard(10, after=time.monotonic())
        first.hangup()
        assert ended(bot, 15) == 0
        assert [row["reason"] for row in bot.calls()] == ["caller hung up"]


def test_a_call_that_outlives_the_drain_hears_a_word_and_lands_at_the_fallback(
    pbx: Asterisk, model: Model, landed: Landed
) -> None:
    with Bot(pbx, model.url, calls={"drain_timeout": 1}) as bot, Phone(pbx) as phone:
        phone.dial("100")
        phone.wait_heard(5)
        phone.wait_silence(1.0)
        terminate(bot)
        bot.wait_logged("drain_timeout")
        began = time.monotonic()
        phone.wait_heard(5, after=began)
        row = bot.wait_ended(1)[0]
        assert ended(bot, 15) == 0
        landed("shutdown")
        assert phone.trace().ended is None
    assert row["transcript"][-1]["text"] == WORD
    assert (row["outcome"], row["ended_by"], row["reason"]) == ("continue", "bot", "shutdown")
    assert not bot.logged("last_word_timeout")


def test_no_word_where_the_grace_leaves_no_time_for_it(pbx: Asterisk, model: Model, landed: Landed) -> None:
    calls = {"drain_timeout": 1, "stop_grace": 5}
    with Bot(pbx, model.url, calls=calls) as bot, Phone(pbx) as phone:
        phone.dial("100")
        phone.wait_heard(5)
        phone.wait_silence(1.0)
        terminate(bot)
        assert ended(bot, 5) == 0
        landed("shutdown")
        row = bot.calls()[0]
    assert row["reason"] == "shutdown"
    assert row["transcript"][-1]["text"] != WORD


def test_a_second_signal_stops_at_once(pbx: Asterisk, model: Model, landed: Landed) -> None:
    with Bot(pbx, model.url) as bot, Phone(pbx) as phone:
        phone.dial("100")
        phone.wait_heard(5)
        terminate(bot)
        bot.wait_logged("draining")
        terminate(bot)
        assert ended(bot, 5) == 0
        landed("shutdown")
        assert bot.calls()[0]["reason"] == "shutdown"
    assert not bot.logged("drain_timeout")


def test_a_stop_waits_for_a_call_that_is_being_let_go(pbx: Asterisk, landed: Landed) -> None:
    with Model() as mortal, Bot(pbx, mortal.url) as bot, Phone(pbx) as phone:
        phone.dial("100")
        phone.wait_heard(5)
        phone.wait_silence(1.0)
        pbx.freeze()
        try:
            assert mortal.process is not None
            mortal.process.close()
            bot.wait_logged("model_not_replaced")
            time.sleep(1.5)  # the last words' tail; then the caller is let go
            terminate(bot)
            bot.wait_logged("draining")
            terminate(bot)
            time.sleep(0.5)
        finally:
            pbx.thaw()
        assert ended(bot, 10) == 0
        assert bot.calls()[0]["reason"] == "model_lost"
        landed("model")


def test_a_second_bot_takes_the_calls_while_the_first_drains(pbx: Asterisk, model: Model) -> None:
    with (
        Bot(pbx, model.url) as first,
        Bot(pbx, model.url, asterisk={"app": "voicebot-2"}) as second,
        Phone(pbx) as phone,
        Phone(pbx, "201") as later,
    ):
        phone.dial("170")
        phone.wait_heard(5)
        terminate(first)
        first.wait_logged("draining")
        later.dial("170")
        later.wait_heard(5)
        assert (len(first.calls()), len(second.calls())) == (1, 1)
        phone.hangup()
        assert ended(first, 15) == 0
        first.start()
        first.wait_logged("ready", 30)
        assert later.trace().ended is None
        later.hangup()
        second.wait_ended(1)
