"""Calls as Asterisk and phones make them, with a model whose ears follow a script.

Everything here is real but the model's ears and voice; ``test_speech`` has those too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.asterisk import Asterisk, wait_for
from tests.e2e.bot import Bot, Model, settled
from tests.e2e.callers import Callers
from tests.e2e.phone import Phone
from tests.e2e.proxy import Impairment

pytestmark = pytest.mark.asterisk

# Bots of single tests, each with an app of its own.
DIALPLAN = """
[phones]
exten => 110,1,Stasis(transfers)
exten => 120,1,Stasis(small)
 same => n,Goto(agent-away,s,1)
exten => 130,1,Stasis(short)
exten => 150,1,Stasis(formats)
exten => 160,1,Stasis(again)
exten => 140,1,Set(CALLERID(name)=Ada)
 same => n,Set(BRANCH=harbour)
 same => n,Stasis(chosen,night,shift)
"""
DESTINATIONS = {"operator": {"context": "destinations", "exten": "200", "description": "a person"}}


@dataclass(frozen=True)
class Stack:
    asterisk: Asterisk
    model: Model
    bot: Bot


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Asterisk, scripted model and bot, up once for this file."""
    with (
        Asterisk(phones=["phone", "201"], dialplan=DIALPLAN) as asterisk,
        Model() as model,
        Bot(asterisk, model.url, destinations=DESTINATIONS) as bot,
    ):
        yield Stack(asterisk, model, bot)


@pytest.fixture(autouse=True)
def nothing_left(stack: Stack) -> Iterator[None]:
    """After each test: no channel and bridge in Asterisk, no call and port in the bot."""
    before = len(stack.bot.calls())
    yield
    settled(stack.asterisk)
    wait_for(
        "every call to be written down",
        lambda: all(row["ended_at"] is not None for row in stack.bot.calls()[before:]),
        10,
    )
    assert stack.bot.metric("voicebot_calls_active") == 0
    assert stack.bot.metric("voicebot_rtp_ports_free") == 500


def talk(phone: Phone, *sentences: str) -> None:
    """Say each sentence after the agent has finished, and wait for the answer to the last."""
    for sentence in sentences:
        phone.wait_silence(0.6)
        phone.say(sentence)
        phone.wait_heard(10, after=time.monotonic())


def test_a_call_from_hello_to_goodbye(stack: Stack) -> None:
    with Phone(stack.asterisk) as phone:
        phone.dial("100")
        phone.wait_heard(5)
        talk(phone, "Hello there.", "When are you open?", "Goodbye.")
        trace = phone.wait_closed(20)
    row = stack.bot.wait_ended(len(stack.bot.calls()))[-1]
    assert trace.ended_by == "asterisk"
    assert trace.ended is not None
    assert trace.last_audible is not None
    assert 0.2 <= trace.ended - trace.last_audible <= 1.5
    assert (row["outcome"], row["ended_by"]) == ("hangup", "agent")
    assert [u["party"] for u in row["transcript"]] == ["agent"] + ["caller", "agent"] * 3
    assert row["transcript"][-1]["text"].startswith("Thank you for calling")
    assert [tool["name"] for tool in row["tools"]] == ["hangup_call"]
    assert row["first_audio_ms"] is not None
    assert len(row["turn_latencies_ms"]) == 3
    assert row["usage"]["output_token_details.audio_tokens"] > 0


def test_the_operators_log_lines_are_there(stack: Stack) -> None:
    """Word for word: operators search for them."""
    events = {line["event"] for line in stack.bot.log}
    for wanted in (
        "OpenAI Realtime session created",
        "OpenAI session configured with 2 tools",
        "Session updated with tools: 2",
        "response.audio.delta: 9600 bytes",
        "OpenAI function call detected: hangup_call",
        "response.done received",
    ):
        assert wanted in events


def test_the_caller_hangs_up(stack: Stack) -> None:
    with Phone(stack.asterisk) as phone:
        phone.dial("100")
        phone.wait_heard(5)
        phone.hangup()
        row = stack.bot.wait_ended(len(stack.bot.calls()))[-1]
    assert (row["ended_by"], row["reason"]) == ("caller", "caller hung up")


def test_a_transfer_goes_on_in_the_dialplan(stack: Stack) -> None:
    """The scripted ears hear a wish for a person in every turn of this persona's script."""
    arguments = ["--persona", "tests/e2e/personas/transfer.yaml"]
    with (
        Model(arguments=arguments) as model,
        Bot(stack.asterisk, model.url, asterisk={"app": "transfers"}, destinations=DESTINATIONS) as bot,
        Phone(stack.asterisk) as phone,
    ):
        phone.dial("110")
        phone.wait_heard(5)
        talk(phone, "Put me through to somebody.")
        row = bot.wait_ended(1)[0]
        assert (row["outcome"], row["reason"]) == ("continue", "transferred to operator")
        assert phone.trace().ended is None, "the call lives on in the dialplan"
        phone.hangup()


def test_a_transfer_back_to_the_bot_is_a_new_call(stack: Stack) -> None:
    """The same channel is back in Stasis before the old call has been cleared away."""
    back = {"operator": {"context": "phones", "exten": "160"}}
    with (
        Model(arguments=["--persona", "tests/e2e/personas/transfer.yaml"]) as model,
        Bot(stack.asterisk, model.url, asterisk={"app": "again"}, destinations=back) as bot,
        Phone(stack.asterisk) as phone,
    ):
        phone.dial("160")
        phone.wait_heard(5)
        talk(phone, "Put me through to somebody.")
        bot.wait_ended(1)
        phone.wait_heard(5, after=time.monotonic())
        phone.hangup()
        first, second = bot.wait_ended(2)
    assert first["reason"] == "transferred to operator"
    assert [u["party"] for u in second["transcript"]] == ["agent"]


def test_a_digit_is_no_loss(stack: Stack) -> None:
    with Phone(stack.asterisk) as phone:
        phone.dial("100")
        phone.wait_heard(5)
        phone.wait_silence(0.6)
        for digit in "5#0":
            phone.dtmf(digit)
            time.sleep(0.4)
        time.sleep(0.5)
        phone.hangup()
        row = stack.bot.wait_ended(len(stack.bot.calls()))[-1]
    assert [kind for _, kind, _ in row["timeline"]].count("dtmf") == 3
    assert row["quality"]["lost"] == 0


def test_hold_sends_silence_up_and_unhold_ends_it(stack: Stack) -> None:
    with Phone(stack.asterisk) as phone:
        phone.dial("100")
        phone.wait_heard(5)
        phone.wait_silence(0.6)
        phone.hold()
        time.sleep(2)
        phone.unhold()
        time.sleep(0.5)
        talk(phone, "Are you still there?")
        phone.hangup()
        row = stack.bot.wait_ended(len(stack.bot.calls()))[-1]
    kinds = [kind for _, kind, _ in row["timeline"]]
    assert kinds.index("hold") < kinds.index("unhold") < len(kinds)
    assert [u["party"] for u in row["transcript"]].count("caller") == 1


def test_a_phone_that_stops_sending_still_ends_its_turn(stack: Stack) -> None:
    with Phone(stack.asterisk) as phone:
        phone.dial("100")
        phone.wait_heard(5)
        phone.wait_silence(0.6)
        seconds = phone.say("When are you open on Saturdays?", wait=False)
        time.sleep(seconds)
        phone.relay.suppress = True
        phone.wait_heard(5, after=time.monotonic())
        phone.relay.suppress = False
        phone.hangup()
        row = stack.bot.wait_ended(len(stack.bot.calls()))[-1]
    assert row["quality"]["lost"] == 0, "silence suppression is no loss"


def test_loss_on_the_phones_leg_is_counted(stack: Stack) -> None:
    with Phone(stack.asterisk) as phone:
        phone.relay.from_phone = Impairment(loss=0.05)
        phone.dial("100")
        phone.wait_heard(5)
        talk(phone, "Hello there.")
        sent = [p for p in phone.trace().packets if p.from_phone and not p.rtcp]
        dropped = sum(p.copies == 0 for p in sent)
        phone.hangup()
        row = stack.bot.wait_ended(len(stack.bot.calls()))[-1]
    assert dropped > 3
    assert abs(row["quality"]["lost"] - dropped) <= 0.3 * dropped + 3


def test_an_attended_transfer_to_the_bot(stack: Stack) -> None:
    """A person who talks to the agent hands a waiting caller over: the call lives on under a new channel."""
    with (
        Phone(stack.asterisk, "201", auto_answer=True) as waiting,
        Callers(stack.asterisk, "100", scenario="stay", last_s=30) as with_agent,
    ):
        dialog = with_agent.dialog()
        with Callers(stack.asterisk, "201", scenario="transfer", replaces=dialog, target="100", first_s=1.0):
            stack.bot.wait_logged("channel_replaced", 10)
            before = time.monotonic()
            waiting.say("Hello there, who is this?")
            waiting.wait_heard(10, after=before)
            waiting.hangup()
    row = stack.bot.wait_ended(len(stack.bot.calls()), timeout=40)[-1]
    assert row["ended_by"] == "caller"


def test_ten_calls_at_once_each_to_its_own_end(stack: Stack) -> None:
    before = len(stack.bot.calls())
    with Callers(stack.asterisk, "100", scenario="stay", calls=10, last_s=60) as callers:
        assert callers.finish(90) == (10, 0), callers.errors()
    rows = stack.bot.wait_ended(before + 10)[before:]
    assert [(row["outcome"], row["ended_by"]) for row in rows] == [("hangup", "agent")] * 10


def test_fifty_calls_that_end_at_random_moments_leave_nothing(stack: Stack) -> None:
    before = len(stack.bot.calls())
    descriptors, tasks = stack.bot.descriptors(), stack.bot.metric("voicebot_tasks")
    with Callers(
        stack.asterisk, "100", scenario="leave", calls=50, per_second=25, first_s=0.0, last_s=4.0
    ) as callers:
        done, failed = callers.finish(60)
    assert done + failed == 50
    stack.bot.wait_ended(before + 45, timeout=30)
    settled(stack.asterisk)
    wait_for("descriptors to be closed", lambda: stack.bot.descriptors() <= descriptors + 4, 10)
    wait_for("tasks to end", lambda: stack.bot.metric("voicebot_tasks") <= tasks + 1, 10)
    assert not stack.bot.logged("call_failed")


@pytest.mark.parametrize(
    ("dialect", "openai", "codec"),
    [
        ("ga", {"audio_format": "g711_ulaw"}, "ulaw"),
        ("ga", {"audio_format": "g711_alaw"}, "ulaw"),
        ("ga", {"audio_format": "pcm16"}, "alaw"),
        ("beta", {"dialect": "beta"}, "ulaw"),
    ],
)
def test_every_format_and_dialect(stack: Stack, dialect: str, openai: dict[str, str], codec: str) -> None:
    """The greeting is heard, and what the caller says is answered."""
    with (
        Model(arguments=["--dialect", dialect]) as model,
        Bot(
            stack.asterisk,
            model.url,
            asterisk={"app": "formats"},
            openai=openai,
            media={"rtp": {"codec": codec}},
        ) as bot,
        Phone(stack.asterisk) as phone,
    ):
        phone.dial("150")
        phone.wait_heard(5)
        talk(phone, "Hello there.")
        phone.hangup()
        row = bot.wait_ended(1)[0]
    assert [u["party"] for u in row["transcript"]] == ["agent", "caller", "agent"]
    assert row["quality"]["bad"] == 0


def test_the_agent_is_chosen_by_the_dialplan(stack: Stack) -> None:
    """Stasis arguments select a profile; its words may use what is known of the caller."""
    agents = {
        "default": {"greeting": "Hello."},
        "night": {
            "match": {"args": "night*"},
            "greeting": "Good night {caller_name}, you dialled {dialled_number}, branch {var:BRANCH}.",
        },
    }
    with (
        Bot(
            stack.asterisk,
            stack.model.url,
            asterisk={"app": "chosen"},
            agents=agents,
            calls={"variables": ["BRANCH"]},
        ) as bot,
        Phone(stack.asterisk) as phone,
    ):
        phone.dial("140")
        phone.wait_heard(5)
        phone.wait_silence(0.5)
        phone.hangup()
        row = bot.wait_ended(1)[0]
    assert row["agent"] == "night"
    assert row["transcript"][0]["text"] == "Good night Ada, you dialled 140, branch harbour."


def test_a_full_bot_sends_the_caller_on(stack: Stack) -> None:
    with (
        Bot(stack.asterisk, stack.model.url, asterisk={"app": "small"}, calls={"max_calls": 1}) as bot,
        Phone(stack.asterisk) as first,
        Phone(stack.asterisk, "201") as second,
    ):
        first.dial("120")
        first.wait_heard(5)
        second.dial("120")
        assert second.wait_closed(20).ended_by == "asterisk", "an apology, then the dialplan's own end"
        assert "refused=max_calls" in stack.asterisk.log_tail(200)
        assert bot.metric('voicebot_calls_refused_total{why="max_calls"}') == 1
        first.hangup()
        bot.wait_ended(1)


def test_the_time_limit_ends_a_call_with_a_word(stack: Stack) -> None:
    with (
        Bot(stack.asterisk, stack.model.url, asterisk={"app": "short"}, calls={"max_call_seconds": 4}) as bot,
        Phone(stack.asterisk) as phone,
    ):
        phone.dial("130")
        trace = phone.wait_closed(20)
        row = bot.wait_ended(1)[0]
    assert row["reason"] == "max_call_seconds"
    assert trace.last_audible is not None
    assert trace.answered is not None
    assert trace.last_audible > trace.answered + 4, "something was said after the limit"
