"""The live API on calls as they go on, and against its own OpenAPI description."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from tests.e2e.asterisk import Asterisk, wait_for
from tests.e2e.bot import Bot, Model, settled
from tests.e2e.phone import Phone
from tests.e2e.test_outbound import DESTINATIONS, TOKEN, ask, ended

pytestmark = pytest.mark.asterisk


@pytest.fixture(scope="module")
def asterisk() -> Iterator[Asterisk]:
    with Asterisk(phones=["phone", "201"]) as asterisk:
        yield asterisk


@pytest.fixture(scope="module")
def bot(asterisk: Asterisk) -> Iterator[Bot]:
    with (
        Model() as model,
        Bot(asterisk, model.url, web={"api_token": TOKEN}, destinations=DESTINATIONS) as bot,
    ):
        yield bot


@pytest.fixture
def phone(asterisk: Asterisk, bot: Bot) -> Iterator[Phone]:
    with Phone(asterisk) as phone:
        phone.dial("100")
        phone.wait_heard(5)
        phone.wait_silence(0.6)
        yield phone
    settled(asterisk)


def only_call(bot: Bot) -> str:
    calls = ask(bot, "GET", "/api/calls")[1]["calls"]
    assert len(calls) == 1
    found: str = calls[0]["id"]
    return found


def test_the_agent_says_what_it_is_told(bot: Bot, phone: Phone) -> None:
    call_id = only_call(bot)
    asked = time.monotonic()
    assert ask(bot, "POST", f"/api/calls/{call_id}/say", {"text": "Your bicycle is ready."})[0] == 202
    phone.wait_heard(5, after=asked)
    phone.wait_silence(0.6)
    call = ask(bot, "GET", f"/api/calls/{call_id}")[1]
    assert call["outcome"] == "active"
    assert call["transcript"][-1]["text"] == "Your bicycle is ready."
    assert ask(bot, "POST", f"/api/calls/{call_id}/instructions", {"text": "Speak slowly."})[0] == 202
    phone.hangup()


def test_hung_up_with_a_word(bot: Bot, phone: Phone) -> None:
    call_id = only_call(bot)
    said = {"say": 'Say: "We are closing now. Goodbye."'}
    assert ask(bot, "POST", f"/api/calls/{call_id}/hangup", said)[0] == 202
    assert phone.wait_closed(15).ended_by == "asterisk"
    call = ended(bot, call_id)
    assert (call["ended_by"], call["transcript"][-1]["text"]) == ("operator", "We are closing now. Goodbye.")


def test_transferred_by_an_operator(bot: Bot, phone: Phone) -> None:
    call_id = only_call(bot)
    assert ask(bot, "POST", f"/api/calls/{call_id}/transfer", {"destination": "nobody"})[0] == 409
    assert ask(bot, "POST", f"/api/calls/{call_id}/transfer", {"destination": "operator"})[0] == 202
    call = ended(bot, call_id)
    assert (call["outcome"], call["reason"]) == ("continue", "transferred to operator")
    phone.wait_closed(20)


def test_a_muted_agent_is_not_heard(bot: Bot, phone: Phone) -> None:
    call_id = only_call(bot)
    assert ask(bot, "POST", f"/api/calls/{call_id}/mute", {"muted": True})[0] == 200
    ask(bot, "POST", f"/api/calls/{call_id}/say", {"text": "Nobody hears this sentence."})
    at = len(phone.trace().heard())
    transcript = wait_for(
        "the agent to have spoken",
        lambda: [
            said
            for said in ask(bot, "GET", f"/api/calls/{call_id}")[1]["transcript"]
            if said["text"] == "Nobody hears this sentence."
        ],
        10,
        0.1,
    )
    assert transcript
    wait_for("the voice to pass", lambda: len(phone.trace().heard()) > at + 3 * 8000, 10, 0.1)
    assert np.abs(phone.trace().heard()[at:]).max() < 100
    ask(bot, "POST", f"/api/calls/{call_id}/mute", {"muted": False})
    asked = time.monotonic()
    ask(bot, "POST", f"/api/calls/{call_id}/say", {"text": "But this one."})
    phone.wait_heard(5, after=asked)
    phone.hangup()


def test_events_come_as_they_happen(bot: Bot, phone: Phone) -> None:
    call_id = only_call(bot)
    events: list[dict[str, Any]] = []
    watcher = threading.Thread(target=lambda: asyncio.run(watch(bot, call_id, events)))
    watcher.start()
    wait_for("the call as it is", lambda: events, 5, 0.05)
    phone.say("Hello there.")
    wait_for("the answer's words", lambda: "agent_said" in kinds(events), 10, 0.05)
    phone.hangup()
    watcher.join(10)
    assert not watcher.is_alive()
    assert kinds(events)[0] == "call"
    assert kinds(events)[-1] == "ended"
    assert {"caller_started", "caller_stopped", "caller_said", "agent_audible"} <= set(kinds(events))


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


async def watch(bot: Bot, call_id: str, events: list[dict[str, Any]]) -> None:
    url = f"http://127.0.0.1:{bot.web_port}/api/calls/{call_id}/events"
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session,
        session.ws_connect(url) as socket,
    ):
        async for message in socket:
            events.append(json.loads(message.data))


@pytest.mark.parametrize("path", ["/api/calls", "/api/openapi.json", "/api/calls/x", "/api/calls/x/events"])
@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "\u00e9"])
def test_nothing_without_the_token(bot: Bot, path: str, token: str) -> None:
    assert ask(bot, "GET", path, token=token.encode().decode("latin-1"))[0] == 401


def test_there_is_no_api_without_a_token(asterisk: Asterisk, bot: Bot) -> None:
    blocks = {"web": {"api_token": ""}, "asterisk": {"app": "voicebot-closed"}}
    with Bot(asterisk, bot.settings["offline"]["url"], **blocks) as closed:
        assert closed.get("/api/calls")[0] == 404


def test_a_body_that_is_too_large_is_refused_in_the_same_way(bot: Bot, phone: Phone) -> None:
    status, answer = ask(bot, "POST", f"/api/calls/{only_call(bot)}/say", {"text": "x" * 2_000_000})
    assert (status, answer["error"]) == (413, "the body is too large")
    phone.hangup()


def test_a_call_that_is_being_left_takes_no_more_orders(bot: Bot, phone: Phone) -> None:
    call_id = only_call(bot)
    said = {"say": 'Say: "We are closing now, and this takes its time. Goodbye to you all."'}
    assert ask(bot, "POST", f"/api/calls/{call_id}/hangup", said)[0] == 202
    assert ask(bot, "POST", f"/api/calls/{call_id}/say", {"text": "Hello."})[0] == 409
    assert ask(bot, "POST", f"/api/calls/{call_id}/transfer", {"destination": "operator"})[0] == 409
    phone.wait_closed(15)


#: Not tried on a call that is to last.
ENDING = {"hang_up", "transfer"}


@pytest.mark.parametrize("talking", [False, True], ids=["no call", "a call"])
def test_it_is_as_it_describes_itself(bot: Bot, talking: bool, request: pytest.FixtureRequest) -> None:
    """Generated requests, good and bad, at a bot that has no call, or one: every answer is described."""
    if talking:
        request.getfixturevalue("phone")
    call_id = only_call(bot) if talking else ""
    status, description = ask(bot, "GET", "/api/openapi.json")
    assert status == 200
    schema = schemathesis.openapi.from_dict(description)
    schema.config.base_url = f"http://127.0.0.1:{bot.web_port}"
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()  # type: ignore[union-attr]

        @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy())
        def conforms(case: schemathesis.Case[Any]) -> None:
            nonlocal tried
            tried += 1
            if call_id and case.operation.definition.raw["operationId"] not in ENDING:
                case.path_parameters = dict.fromkeys(case.path_parameters or {}, call_id)
            case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"})

        conforms()
    assert tried >= 100
