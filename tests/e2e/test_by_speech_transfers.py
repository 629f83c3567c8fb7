"""Transfers because the caller asked for one aloud, blind and attended, with every ending."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from bot.asterisk_config import dialled
from bot.call.consult import DECIDE_WITHIN_S
from bot.config.settings import DIAL_CONTEXT, Settings
from tests.e2e.asterisk import Asterisk, wait_for
from tests.e2e.bot import Bot
from tests.e2e.phone import Phone
from tests.e2e.proxy import Declining, Relay
from tests.e2e.speaking import Speaker, Stack, agent_said, listening, nothing_left, used, voices
from tests.e2e.test_attended import last_row, outcomes, talk_to_each_other
from tests.e2e.test_transfer import logged

pytestmark = [pytest.mark.asterisk, pytest.mark.speech, pytest.mark.timeout(240)]

DESTINATIONS = {
    "desk": {"dial": "PJSIP/201", "ring_timeout": 6, "description": "the workshop"},
    "repairs": {"context": "repairs", "exten": "1", "description": "the repair line"},
}
# The operator's own plan for who is not reached: a word, and goodbye.
DIALPLAN = f"""
[phones]
exten => 110,1,Set(CALLERID(name)=Ada)
 same => n,Set(BRANCH=harbour)
 same => n,Stasis(voicebot)

[repairs]
exten => 1,1,Log(NOTICE,to=${{VOICEBOT_TRANSFER}} about=${{VOICEBOT_SUMMARY}} branch=${{BRANCH}})
 same => n,Dial(PJSIP/201,4)
 same => n,Log(NOTICE,then=${{DIALSTATUS}})
 same => n,Playback(tt-weasels)
 same => n,Hangup()

{dialled(Settings.model_validate({"destinations": DESTINATIONS}), f"[{DIAL_CONTEXT}]")}
"""
ASK, PUT_THROUGH = "Please ask the workshop.", "Put me through to a person."
REPAIRS = "Connect me to the repair line."
YES, NO = "Yes, please put her through.", "No, I have no time."
GOODBYE = "Thank you, and goodbye."
SORRY = "The workshop has no time."
SUMMARY = "Ada wants a new tyre."
#: Of the caller's hang-up to the destination's phone.
AT_ONCE_S = 0.5


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    agent = {
        "greeting": "Hello, how can I help you?",
        "tools": ["hangup_call", "transfer_call", "attended_transfer"],
    }
    with (
        Asterisk(phones=["phone", "201"], dialplan=DIALPLAN) as asterisk,
        listening() as model,
        Bot(asterisk, model.url, agents={"default": agent}, destinations=DESTINATIONS) as bot,
    ):
        yield Stack(asterisk, model, bot, voices((ASK, PUT_THROUGH, REPAIRS, YES, NO, GOODBYE)))


@pytest.fixture(autouse=True)
def nothing_is_left(stack: Stack) -> Iterator[None]:
    with nothing_left(stack):
        yield


def calls_and_asks(stack: Stack, phone: Phone, sentence: str, tool: str) -> Speaker:
    caller = Speaker(stack, phone)
    caller.dial()
    caller.asks(sentence, tool)
    return caller


def said_since(stack: Stack, turns: int) -> list[str]:
    """What the agent has said after so many turns."""
    return [line["transcript"] for line in stack.bot.logged("agent_said")[turns:]]


# ---------------------------------------------------------------------- blind


def put_through_ends(stack: Stack, phone: Phone, destination: str, *, by: str = "asterisk") -> None:
    """For the bot the call is over once the caller is on his way, whatever comes of it."""
    assert phone.wait_closed(15).ended_by == by
    row = last_row(stack.bot)
    assert used(row) == [("transfer_call", "")]
    assert (row["outcome"], row["ended_by"]) == ("continue", "agent")
    assert row["reason"] == f"transferred to {destination}"
    assert agent_said(row)[-1] == "I am connecting you."


@pytest.mark.parametrize("leaves", ["caller", "destination"])
def test_put_through(stack: Stack, leaves: str) -> None:
    with Phone(stack.asterisk) as phone, Phone(stack.asterisk, "201") as desk:
        calls_and_asks(stack, phone, PUT_THROUGH, "transfer_call")
        desk.wait_incoming(15)
        desk.accept()
        desk.wait_event("CALL_ESTABLISHED", 5)
        talk_to_each_other(phone, desk)
        first, second = (phone, desk) if leaves == "caller" else (desk, phone)
        first.hangup()
        assert second.wait_closed(10).ended_by == "asterisk"
        put_through_ends(stack, phone, "desk", by="phone" if leaves == "caller" else "asterisk")


@pytest.mark.parametrize("how", ["busy", "declined", "unanswered", "unreachable"])
def test_put_through_to_nobody(stack: Stack, how: str) -> None:
    """The generated line hangs up with the reason of the phone."""
    with Phone(stack.asterisk) as phone:
        if how == "unreachable":
            calls_and_asks(stack, phone, PUT_THROUGH, "transfer_call")
        else:
            with Phone(stack.asterisk, "201", relay=Declining if how == "declined" else Relay) as desk:
                calls_and_asks(stack, phone, PUT_THROUGH, "transfer_call")
                desk.wait_incoming(15)
                if how != "unanswered":  # 486, or 603
                    desk.hangup()
                desk.wait_closed(10)
        put_through_ends(stack, phone, "desk")


def test_the_caller_leaves_while_it_rings(stack: Stack) -> None:
    with Phone(stack.asterisk) as phone, Phone(stack.asterisk, "201") as desk:
        calls_and_asks(stack, phone, PUT_THROUGH, "transfer_call")
        desk.wait_incoming(15)
        phone.hangup()
        desk.wait_closed(5)
        put_through_ends(stack, phone, "desk", by="phone")


@pytest.mark.parametrize(("how", "status"), [("answered", ""), ("busy", "BUSY"), ("unanswered", "NOANSWER")])
def test_put_through_into_the_dialplan(stack: Stack, how: str, status: str) -> None:
    """Which has the caller's variables and a summary, and goes on as the operator wrote it."""
    with Phone(stack.asterisk) as phone, Phone(stack.asterisk, "201") as desk:
        before = len(stack.asterisk.log_file.read_text(errors="replace"))
        calls_and_asks(stack, phone, REPAIRS, "transfer_call")
        desk.wait_incoming(15)
        logged(stack.asterisk, "to=repairs about=Ada has a broken wheel. branch=harbour", after=before)
        if how == "answered":
            desk.accept()
            desk.wait_event("CALL_ESTABLISHED", 5)
            talk_to_each_other(phone, desk)
            desk.hangup()
        else:
            if how == "busy":
                desk.hangup()
            logged(stack.asterisk, f"then={status}", after=before)
        put_through_ends(stack, phone, "repairs")


# ---------------------------------------------------------------------- attended


def hear_the_summary(desk: Phone, *, after: int = 0) -> None:
    desk.wait_event("CALL_INCOMING", 15, after=after)
    desk.accept()
    desk.wait_heard(15, after=time.monotonic())


@pytest.mark.parametrize("leaves", ["caller", "destination"])
def test_the_workshop_says_no_and_then_yes(stack: Stack, leaves: str) -> None:
    with Phone(stack.asterisk) as phone, Phone(stack.asterisk, "201") as desk:
        caller, workshop = Speaker(stack, phone), Speaker(stack, desk)
        caller.dial()
        for answer, tool in ((NO, "decline_caller"), (YES, "accept_caller")):
            events = len(desk.events)
            caller.asks(ASK, "attended_transfer")
            hear_the_summary(desk, after=events)
            workshop.asks(answer, tool, pause_s=1.5)
            if tool == "decline_caller":
                desk.wait_closed(10)
                caller.hears(SORRY)
        stack.bot.wait_logged("connected")
        talk_to_each_other(phone, desk)
        first, second = (phone, desk) if leaves == "caller" else (desk, phone)
        first.hangup()
        assert second.wait_closed(5).ended_by == "asterisk"
        row = last_row(stack.bot)
    assert outcomes(row) == ["desk: briefing", "desk: declined", "desk: briefing", "desk: connected"]
    assert used(row) == [
        ("attended_transfer", "they do not take the call"),
        ("decline_caller", ""),
        ("attended_transfer", ""),
        ("accept_caller", ""),
    ]
    assert (row["outcome"], row["ended_by"]) == ("connected", leaves)
    assert row["transcript"][-1]["party"] == "destination"
    assert sum(SUMMARY in words for words in agent_said(row)) == 2


def test_the_workshop_takes_the_call_by_key(stack: Stack) -> None:
    with Phone(stack.asterisk) as phone, Phone(stack.asterisk, "201") as desk:
        calls_and_asks(stack, phone, ASK, "attended_transfer")
        hear_the_summary(desk)
        desk.dtmf("1")
        talk_to_each_other(phone, desk)
        desk.hangup()
        assert phone.wait_closed(5).ended_by == "asterisk"
        row = last_row(stack.bot)
    assert outcomes(row) == ["desk: briefing", "desk: connected"]
    assert used(row) == [("attended_transfer", "")]


@pytest.mark.parametrize(
    ("how", "outcome"),
    [
        ("a key", "declined"),
        ("603", "declined"),
        ("486", "engaged"),
        ("rings in vain", "unanswered"),
        ("not registered", "unreachable"),
        ("hangs up", "left"),
        ("says nothing", "undecided"),
    ],
)
def test_the_caller_is_taken_back(stack: Stack, how: str, outcome: str) -> None:
    """And goes on talking with the agent."""
    told = len(stack.bot.logged("agent_said"))
    with Phone(stack.asterisk) as phone:
        if how == "not registered":
            caller = calls_and_asks(stack, phone, ASK, "attended_transfer")
        else:
            with Phone(stack.asterisk, "201", relay=Declining if how == "603" else Relay) as desk:
                caller = calls_and_asks(stack, phone, ASK, "attended_transfer")
                desk.wait_incoming(15)
                if how in ("603", "486"):
                    desk.hangup()
                elif how != "rings in vain":
                    hear_the_summary(desk)
                    if how != "says nothing":
                        desk.dtmf("2") if how == "a key" else desk.hangup()
                desk.wait_closed(DECIDE_WITHIN_S + 5 if how == "says nothing" else 10)
        wait_for("the agent to tell the caller", lambda: SORRY in said_since(stack, told), 20)
        caller.asks(GOODBYE, "hangup_call")
        assert phone.wait_closed(15).ended_by == "asterisk"
        row = last_row(stack.bot)
    assert outcomes(row)[-1] == f"desk: {outcome}"
    assert [name for name, _ in used(row)] == ["attended_transfer", "hangup_call"]
    assert row["tools"][0]["error"]
    assert (row["outcome"], row["ended_by"]) == ("hangup", "agent")


def told_at_once(caller: Phone, desk: Phone, when: str) -> None:
    """The caller has hung up: the destination's phone is told, whether it rings or talks."""
    trace, left = desk.wait_closed(5), caller.wait_closed(5).ended
    assert trace.ended is not None
    assert left is not None
    print(f"\n{when}: the destination's phone was told {1000 * (trace.ended - left):.0f} ms later")
    assert trace.ended_by == "asterisk"
    assert trace.ended - left <= AT_ONCE_S


@pytest.mark.parametrize("when", ["it rings", "the summary is spoken"])
def test_the_caller_leaves(stack: Stack, when: str) -> None:
    """The destination stops ringing at once."""
    with Phone(stack.asterisk) as phone, Phone(stack.asterisk, "201") as desk:
        calls_and_asks(stack, phone, ASK, "attended_transfer")
        if when == "it rings":
            desk.wait_incoming(15)
        else:
            hear_the_summary(desk)
        phone.hangup()
        told_at_once(phone, desk, when)
        row = last_row(stack.bot)
    assert (row["outcome"], row["ended_by"], row["reason"]) == ("hangup", "caller", "caller hung up")
