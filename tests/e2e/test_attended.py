"""Attended transfers under a scripted model: limits, losses and stops. Every ordinary ending is in
``test_by_speech_transfers``, whose callers ask aloud.
"""

from __future__ import annotations

import time
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from bot.asterisk_config import dialled
from bot.config.settings import DIAL_CONTEXT, Settings
from tests.e2e.asterisk import Asterisk, wait_for
from tests.e2e.bot import Bot, Model, settled
from tests.e2e.gate import Gate
from tests.e2e.persona import acting, intent
from tests.e2e.phone import Phone
from tests.e2e.sound import RATE_HZ, Pcm

pytestmark = pytest.mark.asterisk

DESTINATIONS = {"desk": {"dial": "PJSIP/201", "ring_timeout": 4, "description": "a person"}}
DIALPLAN = f"""
[phones]
exten => 110,1,Set(CALLERID(name)=Ada)
 same => n,Stasis(voicebot)
exten => 112,1,Stasis(short)
exten => 113,1,Stasis(again)

{dialled(Settings.model_validate({"destinations": DESTINATIONS}), f"[{DIAL_CONTEXT}]")}
"""
RING_S = 20.0
SUMMARY = "Ada wants a new tyre."
WORDS = "ask the desk"
ASK = intent(WORDS, "attended_transfer", "One moment, I will ask.", destination="desk", summary=SUMMARY)
ASK["on_error"] = "I am sorry, they cannot talk to you now."
BYE = intent("goodbye", "hangup_call", after="Goodbye.")


@dataclass(frozen=True)
class Stack:
    asterisk: Asterisk
    model: Model
    bot: Bot


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The caller says goodbye in his second turn."""
    folder = tmp_path_factory.mktemp("persona")
    with (
        Asterisk(phones=["phone", "201"], dialplan=DIALPLAN) as asterisk,
        acting(folder, [WORDS, "goodbye"], ASK, BYE) as model,
        Bot(asterisk, model.url, destinations=DESTINATIONS) as bot,
    ):
        yield Stack(asterisk, model, bot)


@pytest.fixture(autouse=True)
def nothing_left(stack: Stack) -> Iterator[None]:
    """After each test: no channel and bridge in Asterisk; no call, port and task in the bot."""
    before = len(stack.bot.calls())
    tasks = stack.bot.metric("voicebot_tasks")
    yield
    settled(stack.asterisk)
    ended = lambda: all(row["ended_at"] is not None for row in stack.bot.calls()[before:])  # noqa: E731
    wait_for("every call to be written down", ended, 10)
    assert stack.bot.metric("voicebot_calls_active") == 0
    assert stack.bot.metric("voicebot_rtp_ports_free") == 500
    wait_for("tasks to end", lambda: stack.bot.metric("voicebot_tasks") <= tasks + 1, 10)
    assert [line for line in stack.bot.log if "exception" in line] == []


def ask_for_the_desk(phone: Phone, extension: str = "110") -> None:
    phone.dial(extension)
    phone.wait_heard(5)
    phone.wait_silence(0.6)
    phone.say("Can I speak to somebody, please?")


def take_the_call(desk: Phone) -> None:
    """Answer, and hear what it is about."""
    desk.wait_incoming(15)
    desk.accept()
    desk.wait_event("CALL_ESTABLISHED", 5)
    desk.wait_heard(5)


def talk_to_each_other(one: Phone, other: Phone) -> None:
    """What each says is heard by the other."""
    for speaker, listener in ((one, other), (other, one)):
        time.sleep(0.7)  # whatever was on its way has come
        before = time.monotonic()
        speaker.say("Hello, can you hear me?", wait=False)
        listener.wait_heard(5, after=before)
        time.sleep(1.5)
        speaker.quiet()


def last_row(bot: Bot) -> dict[str, Any]:
    return bot.wait_ended(len(bot.calls()))[-1]


def tracks(path: str) -> tuple[Pcm, Pcm]:
    """What the caller and what the agent said."""
    with wave.open(path) as file:
        stereo = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return stereo[:, 0], stereo[:, 1]


def last_sound(track: Pcm) -> float:
    """When it ended, in seconds."""
    return float(np.flatnonzero(np.abs(track.astype(np.int32)) > 500)[-1]) / RATE_HZ


def outcomes(row: dict[str, Any]) -> list[str]:
    return [detail for _, kind, detail in row["timeline"] if kind == "transfer"]


def test_accepted_by_key(stack: Stack) -> None:
    with Phone(stack.asterisk) as caller, Phone(stack.asterisk, "201") as desk:
        ask_for_the_desk(caller)
        desk.wait_incoming(15)
        invite = next(m for m in desk.relay.messages if m.method == "INVITE")
        assert 'From: "Ada" <sip:phone@' in invite.text, "the caller's own name and number"
        caller.wait_heard(5, after=time.monotonic())  # music
        take_the_call(desk)
        desk.dtmf("1")
        talk_to_each_other(caller, desk)
        (bridge,) = [b for b in stack.asterisk.bridges() if b["id"].startswith("voicebot-")]
        assert len(bridge["channels"]) == 2
        assert not [c for c in stack.asterisk.channels() if c["name"].startswith("UnicastRTP")]
        assert stack.bot.metric("voicebot_rtp_ports_free") == 500
        desk.hangup()
        assert caller.wait_closed(5).ended_by == "asterisk"
        row = last_row(stack.bot)
    assert (row["outcome"], row["reason"]) == ("connected", "connected to desk")
    assert outcomes(row) == ["desk: briefing", "desk: connected"]
    assert [(tool["name"], tool["error"]) for tool in row["tools"]] == [("attended_transfer", "")]
    said = [(u["party"], u["text"]) for u in row["transcript"]]
    assert said[2] == ("agent", "One moment, I will ask.")
    assert said[3][1].startswith("Hello, I have a caller for you."), "the key does not wait for the rest"


def is_taken_back(caller: Phone, bot: Bot, told: int) -> dict[str, Any]:
    """The agent tells the caller, once more than ``told``, and the talk goes on to its goodbye."""
    wait_for("the agent to tell the outcome", lambda: len(said(bot, ASK["on_error"])) > told, 20)
    caller.wait_silence(0.8)
    caller.say("Goodbye then.")
    assert caller.wait_closed(15).ended_by == "asterisk"
    return last_row(bot)


def said(bot: Bot, words: str) -> list[dict[str, Any]]:
    return [line for line in bot.logged("agent_said") if line.get("transcript") == words]


def test_the_model_is_lost_while_the_summary_is_spoken(stack: Stack) -> None:
    """Only the session with the destination: the caller's own agent has him back, and goes on."""
    told = len(said(stack.bot, ASK["on_error"]))
    with (
        Gate(stack.model.url) as gate,
        Bot(stack.asterisk, gate.url, asterisk={"app": "again"}, destinations=DESTINATIONS) as bot,
        Phone(stack.asterisk) as caller,
        Phone(stack.asterisk, "201") as desk,
    ):
        ask_for_the_desk(caller, "113")
        take_the_call(desk)
        gate.cut()
        assert desk.wait_closed(5).ended_by == "asterisk"
        row = is_taken_back(caller, bot, told=0)
    assert outcomes(row) == ["desk: briefing", "desk: failed"]
    assert (row["outcome"], row["ended_by"]) == ("hangup", "agent")
    assert told == len(said(stack.bot, ASK["on_error"]))


def test_a_long_ring_costs_nothing_and_is_on_both_tracks(stack: Stack) -> None:
    """What comes after it comes at once, and at its place in the recording."""
    patient = {"desk": {**DESTINATIONS["desk"], "ring_timeout": 30}}
    with (
        Bot(stack.asterisk, stack.model.url, asterisk={"app": "again"}, destinations=patient) as bot,
        Phone(stack.asterisk) as caller,
        Phone(stack.asterisk, "201") as desk,
    ):
        ask_for_the_desk(caller, "113")
        desk.wait_incoming(15)
        time.sleep(RING_S)
        desk.hangup()
        caller.wait_heard(10, after=time.monotonic())
        caller.wait_silence(0.8)
        caller.say("Goodbye then.")
        caller.wait_closed(15)
        row = bot.wait_ended(1)[0]
        left, right = tracks(row["recording"])
        stalls = bot.logged("pacer_stalled")
    length = len(left) / RATE_HZ
    lasted = row["ended_at"] - row["answered_at"]
    assert abs(length - lasted) < 1.0, "the time that it rang is in the recording"
    assert stalls == []
    goodbye, farewell = last_sound(left), last_sound(right)
    print(
        f"\nrecording {length:.1f} s of {lasted:.1f} s; goodbye at {goodbye:.1f} s, farewell {farewell:.1f} s"
    )
    assert 0 < farewell - goodbye < 6, "the answer follows the question on the tracks, too"


def test_the_time_limit_while_the_summary_is_spoken(stack: Stack) -> None:
    """The caller gets his goodbye. Two people who talk are under no limit."""
    limit = {"max_call_seconds": 10}
    with Bot(
        stack.asterisk, stack.model.url, asterisk={"app": "short"}, destinations=DESTINATIONS, calls=limit
    ) as bot:
        with Phone(stack.asterisk) as caller, Phone(stack.asterisk, "201") as desk:
            ask_for_the_desk(caller, "112")
            take_the_call(desk)
            desk.wait_closed(15)
            back = time.monotonic()
            trace = caller.wait_closed(20)
            assert trace.last_audible is not None
            assert trace.last_audible > back, "something was said after the limit"
            row = bot.wait_ended(1)[0]
        assert (row["reason"], row["ended_by"]) == ("max_call_seconds", "bot")
        assert outcomes(row)[-1] == "desk: withdrawn"
        with Phone(stack.asterisk) as caller, Phone(stack.asterisk, "201") as desk:
            ask_for_the_desk(caller, "112")
            take_the_call(desk)
            desk.dtmf("1")
            time.sleep(10)
            talk_to_each_other(caller, desk)
            caller.hangup()
            desk.wait_closed(5)


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_two_people_outlive_the_bot(stack: Stack, end: str) -> None:
    """They go on talking without it, and when one of them leaves, the next bot ends the other's call."""
    blocks: dict[str, Any] = {"asterisk": {"app": "again"}, "calls": {"drain_timeout": 1}}
    with (
        Bot(stack.asterisk, stack.model.url, destinations=DESTINATIONS, **blocks) as bot,
        Phone(stack.asterisk) as caller,
        Phone(stack.asterisk, "201") as desk,
    ):
        ask_for_the_desk(caller, "113")
        take_the_call(desk)
        desk.dtmf("1")
        bot.wait_logged("connected")
        assert bot.process is not None
        getattr(bot.process, end)()
        bot.process.wait(10)
        talk_to_each_other(caller, desk)
        bot.start()
        bot.wait_logged("pair_adopted", 20)
        talk_to_each_other(caller, desk)
        desk.hangup()
        assert caller.wait_closed(10).ended_by == "asterisk"
        settled(stack.asterisk)
        row = bot.calls()[-1]
    assert row["outcome"] == ("lost" if end == "kill" else "connected"), row


def test_the_bot_stops_while_it_rings(stack: Stack) -> None:
    """The destination's phone falls silent, and the caller goes on in the dialplan."""
    calls = {"drain_timeout": 0.5}
    with (
        Bot(
            stack.asterisk, stack.model.url, asterisk={"app": "again"}, destinations=DESTINATIONS, calls=calls
        ) as bot,
        Phone(stack.asterisk) as caller,
        Phone(stack.asterisk, "201") as desk,
    ):
        ask_for_the_desk(caller, "113")
        desk.wait_incoming(15)
        assert bot.process is not None
        bot.process.terminate()
        assert desk.wait_closed(10).ended_by == "asterisk"
        assert caller.wait_closed(10).ended_by == "asterisk"
        bot.process.wait(10)
        (row,) = bot.calls()
    assert (row["outcome"], row["reason"]) == ("continue", "shutdown")
