"""The bot calls out, and other programs act on calls: real Asterisk, real phones, the API over HTTP."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bot.asterisk_out import called_out
from bot.config.settings import OUT_CONTEXT, Settings
from tests.e2e.asterisk import PROJECT, Asterisk, wait_for
from tests.e2e.bot import Bot, Model, settled
from tests.e2e.phone import Phone
from tests.e2e.proxy import Declining, Relay

pytestmark = pytest.mark.asterisk

TOKEN = "a-token-of-the-tests-only"
REMINDER = {"instructions": "Remind {var:name}.", "greeting": "Hello {var:name}, see you tomorrow."}
LONG_GREETING = (
    "You have reached the answering machine of Ada and Bo. We are not at home. "
    "Please leave us a message after the tone, and we will call you back."
)
ALLOW = ["PJSIP/20?"]
ALLOWED = Settings.model_validate({"outbound": {"allow": ALLOW, "ring_timeout": 3}})
DESTINATIONS = {"operator": {"context": "destinations", "exten": "200", "description": "a person"}}


@dataclass(frozen=True)
class Stack:
    asterisk: Asterisk
    model: Model
    bot: Bot


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with (
        Asterisk(phones=["phone", "201", "202"], dialplan=called_out(ALLOWED)) as asterisk,
        Model() as model,
        Bot(
            asterisk,
            model.url,
            web={"api_token": TOKEN},
            calls={"variables": ["name"]},
            agents={"reminder": REMINDER},
            destinations=DESTINATIONS,
            outbound={"allow": ALLOW, "ring_timeout": 3, "per_minute": 100},
        ) as bot,
    ):
        yield Stack(asterisk, model, bot)


@pytest.fixture(autouse=True)
def nothing_left(stack: Stack) -> Iterator[None]:
    yield
    settled(stack.asterisk)
    assert stack.bot.metric("voicebot_calls_active") == 0
    assert stack.bot.metric("voicebot_rtp_ports_free") == 500


def ask(bot: Bot, method: str, path: str, body: Any = None, token: str = TOKEN) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{bot.web_port}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def ended(bot: Bot, call_id: str, timeout: float = 20.0) -> dict[str, Any]:
    def over() -> dict[str, Any] | None:
        call = ask(bot, "GET", f"/api/calls/{call_id}")[1]
        return call if call["outcome"] != "active" else None

    return wait_for("the call to end", over, timeout, 0.1)


def place(bot: Bot, endpoint: str, **more: Any) -> str:
    status, answer = ask(bot, "POST", "/api/calls", {"endpoint": endpoint, **more})
    assert status == 201, answer
    found: str = answer["id"]
    return found


def test_somebody_is_called_and_talked_to(stack: Stack) -> None:
    with Phone(stack.asterisk, "201", auto_answer=True) as phone:
        call_id = place(stack.bot, "PJSIP/201", agent="reminder", variables={"name": "Ada"})
        phone.wait_event("CALL_ESTABLISHED", 10)
        phone.wait_heard(10)
        for sentence in ("Hello there.", "When are you open?", "Goodbye."):  # the script ends with the third
            phone.wait_silence(0.6)
            phone.say(sentence)
            phone.wait_heard(10, after=time.monotonic())
        phone.wait_closed(20)
    call = ended(stack.bot, call_id)
    assert (call["direction"], call["outcome"], call["ended_by"]) == ("out", "hangup", "agent")
    assert (call["agent"], call["dialled_number"]) == ("reminder", "PJSIP/201")
    assert call["transcript"][0]["text"] == "Hello Ada, see you tomorrow."


def test_the_command_calls_and_waits(stack: Stack) -> None:
    with Phone(stack.asterisk, "201", auto_answer=True) as phone:
        config = str(stack.bot.folder / "config.yaml")
        order = ["PJSIP/201", "--agent", "reminder", "--var", "name=Bo", "--config", config]
        command = subprocess.Popen(
            [sys.executable, "-m", "bot", "call", *order],
            cwd=PROJECT,
            env=os.environ | {"ARI_PASSWORD": stack.asterisk.ari_password},
            stdout=subprocess.PIPE,
            text=True,
        )
        phone.wait_event("CALL_ESTABLISHED", 20)
        phone.wait_heard(10)
        phone.hangup()
        out, _ = command.communicate(timeout=20)
    assert command.returncode == 0
    assert out.splitlines()[1:] == ["hangup by caller: caller hung up"]


def test_nobody_answers(stack: Stack) -> None:
    with Phone(stack.asterisk, "201"):
        assert ended(stack.bot, place(stack.bot, "PJSIP/201"))["reason"] == "ring time-out"


@pytest.mark.parametrize(("relay", "reason"), [(Relay, "busy"), (Declining, "rejected")], ids=["486", "603"])
def test_the_called_party_declines(stack: Stack, relay: type[Relay], reason: str) -> None:
    with Phone(stack.asterisk, "201", relay=relay) as phone:
        call_id = place(stack.bot, "PJSIP/201")
        phone.wait_incoming()
        phone.hangup()
        assert ended(stack.bot, call_id)["reason"] == reason


def test_a_phone_that_is_not_there(stack: Stack) -> None:
    call = ended(stack.bot, place(stack.bot, "PJSIP/202"))
    assert (call["outcome"], call["answered_at"]) == ("hangup", None)
    assert call["reason"] == "unreachable (cause 3)"


def test_hung_up_while_it_rings(stack: Stack) -> None:
    with Phone(stack.asterisk, "201") as phone:
        call_id = place(stack.bot, "PJSIP/201")
        phone.wait_incoming()
        assert ask(stack.bot, "POST", f"/api/calls/{call_id}/hangup", {})[0] == 202
        assert ended(stack.bot, call_id)["reason"] == "hung up over the API"
        assert phone.wait_closed(5).ended_by == "asterisk"


def test_what_is_not_allowed_never_reaches_asterisk(stack: Stack) -> None:
    before = len(stack.bot.calls())
    for endpoint in ("PJSIP/301", "Local/201@phones", "PJSIP/201&PJSIP/900", "PJSIP/phone"):
        status, answer = ask(stack.bot, "POST", "/api/calls", {"endpoint": endpoint})
        assert (status, "outbound.allow" in answer["remedy"]) == (403, True)
    assert len(stack.bot.calls()) == before
    assert stack.asterisk.channels() == []


@pytest.mark.parametrize(
    "endpoint",
    [
        *("PJSIP/phone", "PJSIP/2012", "PJSIP/20", "pjsip/201", "xPJSIP/201", ""),
        *("PJSIP/201&PJSIP/phone", "PJSIP/201@trunk", "PJSIP/20&", "PJSIP/20,", "PJSIP/201\nPJSIP/phone"),
        "PJSIP/201):0:1&PJSIP/phone",
    ],
)
def test_asterisk_refuses_too(stack: Stack, endpoint: str) -> None:
    """The bot's own password, and a request that the bot would never make."""
    with Phone(stack.asterisk, "201") as allowed, Phone(stack.asterisk) as other:
        stack.asterisk.ari(
            "POST",
            "/channels",
            {"variables": {"VOICEBOT_ENDPOINT": endpoint}},
            endpoint=f"Local/s@{OUT_CONTEXT}/n",
            app="voicebot",
            channelId="fraud",
        )
        settled(stack.asterisk)
        assert [phone.traces() for phone in (allowed, other)] == [[], []]
    harmless = re.sub(r"[^\w.+*#@:/-]", "", endpoint)
    assert f"refused to call {harmless[:9]}" in stack.asterisk.log_tail(60)


def test_person_and_machine_are_told_apart(stack: Stack) -> None:
    with Bot(
        stack.asterisk,
        stack.model.url,
        web={"api_token": TOKEN},
        asterisk={"app": "voicebot-careful"},
        outbound={"allow": ["PJSIP/201"], "amd": True},
    ) as bot:
        with Phone(stack.asterisk, "201", auto_answer=True) as phone:
            call_id = place(bot, "PJSIP/201")
            phone.wait_event("CALL_ESTABLISHED", 10)
            phone.say("Hello?")
            phone.wait_heard(15)
            phone.hangup()
            assert ended(bot, call_id)["answered_by"] == "person"
        with Phone(stack.asterisk, "201", auto_answer=True) as phone:
            call_id = place(bot, "PJSIP/201")
            phone.wait_event("CALL_ESTABLISHED", 10)
            phone.say(LONG_GREETING, wait=False)
            call = ended(bot, call_id)
    assert (call["answered_by"], call["reason"]) == ("machine", "answering machine")
