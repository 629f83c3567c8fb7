"""Every tool but the transfers, because somebody asked for it aloud (``speaking``)."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from bot.asterisk_out import called_out
from bot.config.settings import Settings
from tests.e2e.asterisk import Asterisk, wait_for
from tests.e2e.bot import Bot
from tests.e2e.phone import Phone
from tests.e2e.receiver import Receiver
from tests.e2e.speaking import Speaker, Stack, agent_said, listening, nothing_left, used, voices
from tests.e2e.test_api import watch
from tests.e2e.test_attended import last_row
from tests.e2e.test_card import NUMBER, detected, dtmf, holds_digits, left_of
from tests.e2e.test_keys import tones
from tests.e2e.test_message import hear_beep
from tests.e2e.test_outbound import TOKEN, ask, ended, place
from tests.e2e.test_tools import MCP_SERVER, ORDER
from tests.tools.web import WebService

pytestmark = [pytest.mark.asterisk, pytest.mark.speech, pytest.mark.timeout(240)]

AGENTS: dict[str, dict[str, Any]] = {
    "default": {
        "greeting": "Hello, how can I help you?",
        "handoff": ["sales"],
        "tools": [
            *("hangup_call", "gather_digits", "send_dtmf", "take_message", "pause_for_card"),
            *("order_status", "shop"),
        ],
    },
    "sales": {"greeting": "This is the sales department.", "tools": ["hangup_call"], "handoff": []},
}
DIALPLAN = f"""
[phones]
exten => 110,1,Set(CALLERID(name)=Ada)
 same => n,Stasis(voicebot)

{called_out(Settings.model_validate({"outbound": {"allow": ["PJSIP/201"]}}))}
"""
SENTENCES = (
    "I want to type my customer number.",
    "Please enter the door code.",
    "I would like to leave a message.",
    "My bicycle is ready, please call me back tomorrow.",
    "I want to pay by card.",
    "When are you open?",
    "Where is my order?",
    "Look for the old bicycle.",
    "What about the broken window?",
    "Tell me the whole history.",
    "How many bells do you have?",
    "I want to talk to the sales department.",
    "Thank you, and goodbye.",
)


@dataclass(frozen=True)
class Shop(Stack):
    """Beside the bot: what its tools ask."""

    shop: WebService
    payments: Receiver


@pytest.fixture(scope="module")
def stack() -> Iterator[Shop]:
    answer = b'{"result": {"status": "accepted"}}'
    with (
        Asterisk(phones=["phone", "201"], dialplan=DIALPLAN) as asterisk,
        Receiver([(200, answer)]) as payments,
        WebService() as shop,
        listening() as model,
        Bot(
            asterisk,
            model.url,
            agents=AGENTS,
            web={"api_token": TOKEN},
            card={"url": payments.url, "answer": "result.status"},
            http_tools={"order_status": {**ORDER, "url": f"{shop.url}/orders/{{number}}", "timeout": 30}},
            mcp_servers={"shop": {"command": sys.executable, "args": [MCP_SERVER, "stdio"]}},
            message={"silence_s": 2},
            outbound={"allow": ["PJSIP/201"]},
        ) as bot,
    ):
        bot.wait_logged("mcp_server_connected", 30)
        yield Shop(asterisk, model, bot, voices(SENTENCES), shop, payments)


@pytest.fixture(autouse=True)
def nothing_is_left(stack: Shop) -> Iterator[None]:
    with nothing_left(stack):
        yield


@contextmanager
def watched(bot: Bot) -> Iterator[list[dict[str, Any]]]:
    """The events of the only call, as they come."""
    (call,) = ask(bot, "GET", "/api/calls")[1]["calls"]
    events: list[dict[str, Any]] = []
    watcher = threading.Thread(target=lambda: asyncio.run(watch(bot, call["id"], events)), daemon=True)
    watcher.start()
    yield events
    watcher.join(15)
    assert not watcher.is_alive()


def test_keys_both_ways_a_message_and_goodbye(stack: Shop) -> None:
    with Phone(stack.asterisk) as phone:
        caller = Speaker(stack, phone)
        caller.dial()
        caller.asks("I want to type my customer number.", "gather_digits")
        phone.wait_silence(0.5)
        phone.dtmf("4711#")
        caller.hears("You typed 4 7 1 1.")
        caller.asks("Please enter the door code.", "send_dtmf")
        wait_for("four tones", lambda: len(tones(phone)) >= 4, 15, 0.05)
        assert tones(phone) == ["4", "A", "7", "#"]
        caller.hears("The code has been sent.")
        asked = time.monotonic()
        caller.asks("I would like to leave a message.", "take_message")
        hear_beep(phone, asked)
        time.sleep(0.3)
        phone.say(stack.voice["My bicycle is ready, please call me back tomorrow."])
        caller.hears("Your message will be passed on.")
        caller.asks("Thank you, and goodbye.", "hangup_call")
        assert phone.wait_closed(20).ended_by == "asterisk"
        row = last_row(stack.bot)
    assert used(row) == [(n, "") for n in ("gather_digits", "send_dtmf", "take_message", "hangup_call")]
    assert (row["outcome"], row["ended_by"]) == ("hangup", "agent")
    with sqlite3.connect(stack.bot.database) as database:
        ((transcript,),) = database.execute("SELECT transcript FROM messages").fetchall()
    assert "call me back" in transcript.lower()


@pytest.mark.parametrize("early", [False, True], ids=["when asked", "before the function is called"])
def test_a_card_leaves_no_digits_anywhere(stack: Shop, early: bool) -> None:
    bot = stack.bot
    posted = len(stack.payments.got)
    with Phone(stack.asterisk) as phone:
        caller = Speaker(stack, phone)
        caller.dial()
        with watched(bot) as events:
            if early:
                phone.wait_silence(0.9)
                phone.say(stack.voice["I want to pay by card."])
            else:
                caller.asks("I want to pay by card.", "pause_for_card")
            phone.say(dtmf(NUMBER), wait=False)  # the tones are in the audio, too
            phone.dtmf(NUMBER + "#")
            wait_for("the result", lambda: told_or_kept(stack, posted), 30, 0.1)
            phone.quiet()
            phone.wait_heard(15, after=time.monotonic())  # what came of it
            caller.asks("When are you open?")
            caller.hears("We are open all day long.")
            answers = str(
                [ask(bot, "GET", "/api/calls"), ask(bot, "GET", f"/api/calls/{events[0]['call']['id']}")]
            )
            phone.wait_silence(0.6)
            phone.hangup()
        row = last_row(bot)
    recording = left_of(row["recording"])
    with sqlite3.connect(bot.database) as database:
        rows = "\n".join(database.iterdump())
    files = b"".join(file.read_bytes() for file in bot.folder.rglob("*") if file.is_file())
    assert stack.model.process is not None
    places = {
        "records": rows,
        "log": bot.log_tail(100_000),
        "metrics": bot.get("/metrics")[1],
        "model": "\n".join(stack.model.process.lines),
        "Asterisk's log": stack.asterisk.log_file.read_text(errors="replace"),
        "events": str(events),
        "API": answers + str(ask(bot, "GET", f"/api/calls/{row['id']}")),
        "names of files": "\n".join(str(file) for file in bot.folder.rglob("*")),
    }
    assert [where for where, text in places.items() if holds_digits(text)] == []
    assert NUMBER.encode() not in files
    assert {event["event"] for event in events} >= {"call", "agent_said", "ended"}
    # On a busy machine a phone's tone may last until Asterisk takes it for two.
    got = [re.sub(r"(.)\1+", r"\1", one["digits"]) for one in stack.payments.got[posted:]]
    if early:  # the first tone is in the audio before Asterisk tells of its key
        print(f"\nthe function {'got them' if got else 'came too late: a long number was typed'}")
        assert [digits for digits in got if not NUMBER.startswith(digits)] == []
        assert len(detected(recording)) <= 1
    else:
        assert detected(recording) == ""
        assert len(got) == 1
        assert NUMBER.startswith(got[0])
        assert re.fullmatch(r"\d\d digits were entered. It is accepted.", agent_said(row)[2])


def told_or_kept(stack: Shop, posted: int) -> bool:
    """The payment service has the digits, or the model knows that there were some."""
    return len(stack.payments.got) > posted or bool(stack.bot.logged("long_number_typed"))


def test_services_that_are_well_slow_broken_and_huge_and_a_handoff(stack: Shop) -> None:
    stack.shop.seen.clear()
    with Phone(stack.asterisk) as phone:
        caller = Speaker(stack, phone)
        caller.dial()
        caller.asks("Where is my order?", "order_status")
        caller.hears("Your order is shipped.")
        caller.asks("Look for the old bicycle.", "order_status")
        caller.hears("One moment please, I am looking.")
        stack.shop.release.set()
        wait_for("the slow answer", lambda: len(stack.bot.logged("tool_done")) and said_twice(stack), 15, 0.1)
        caller.asks("What about the broken window?", "order_status")
        caller.hears("I cannot look that up.")
        caller.asks("Tell me the whole history.", "order_status")
        wait_for("the huge answer to be cut", stack.shop.dropped.is_set, 10)
        caller.asks("How many bells do you have?", "stock")
        caller.hears("There are 7 bells.")
        caller.asks("I want to talk to the sales department.", "handoff_to_agent")
        caller.hears("This is the sales department.")
        caller.asks("Thank you, and goodbye.", "hangup_call")
        assert phone.wait_closed(20).ended_by == "asterisk"
        row = last_row(stack.bot)
    assert [name for name, _ in used(row)] == [
        *["order_status"] * 4,
        "stock",
        "handoff_to_agent",
        "hangup_call",
    ]
    assert [error for _, error in used(row)] == [
        *("", "", "the service answered 500", "the service's answer is too long", "", "", ""),
    ]
    assert [seen["path"].rpartition("/")[2] for seen in stack.shop.seen] == ["7", "slow", "500", "huge"]


def said_twice(stack: Shop) -> bool:
    said = [line for line in stack.bot.logged("agent_said") if line["transcript"] == "Your order is shipped."]
    return len(said) >= 2


def test_called_by_the_bot(stack: Shop) -> None:
    with Phone(stack.asterisk, "201", auto_answer=True) as phone:
        call_id = place(stack.bot, "PJSIP/201")
        phone.wait_event("CALL_ESTABLISHED", 15)
        phone.wait_heard(10)
        called = Speaker(stack, phone)
        called.asks("How many bells do you have?", "stock")
        called.asks("Thank you, and goodbye.", "hangup_call", pause_s=1.2)
        assert phone.wait_closed(20).ended_by == "asterisk"
    call = ended(stack.bot, call_id)
    assert (call["direction"], call["outcome"], call["ended_by"]) == ("out", "hangup", "agent")
