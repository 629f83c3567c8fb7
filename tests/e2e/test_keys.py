"""Keys both ways between a real phone and the agent, and the key that needs no agent."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.asterisk import Asterisk, wait_for
from tests.e2e.bot import Bot, Model, settled
from tests.e2e.phone import Phone

pytestmark = pytest.mark.asterisk

PERSONA = ["--persona", "tests/e2e/personas/keys.yaml"]
AGENTS = {"default": {"greeting": "Hello.", "tools": ["hangup_call", "gather_digits", "send_dtmf"]}}
# 111 is answered before the agent is asked: keys can be pressed while the model is being connected.
DIALPLAN = """
[phones]
exten => 111,1,Answer()
 same => n,Stasis(voicebot)
"""


@pytest.fixture(scope="module")
def pbx() -> Iterator[Asterisk]:
    with Asterisk(phones=["phone"], dialplan=DIALPLAN) as asterisk:
        yield asterisk


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model(arguments=PERSONA) as model:
        yield model


@pytest.fixture(scope="module")
def bot(pbx: Asterisk, model: Model) -> Iterator[Bot]:
    with Bot(
        pbx,
        model.url,
        agents=AGENTS,
        calls={"operator_key": "0", "operator": "desk"},
        destinations={"desk": {"context": "destinations", "exten": "200"}},
    ) as bot:
        yield bot


@pytest.fixture
def phone(pbx: Asterisk, bot: Bot) -> Iterator[Phone]:
    """In a call with the agent, whose greeting has been heard."""
    with Phone(pbx) as phone:
        phone.dial("100")
        phone.wait_heard(5)
        phone.wait_silence(0.6)
        yield phone
    settled(pbx)


def ended(bot: Bot, phone: Phone) -> dict[str, object]:
    """Hang up; the call's row."""
    before = len([row for row in bot.calls() if row["ended_at"]])
    phone.hangup()
    return bot.wait_ended(before + 1)[-1]


def said(row: dict[str, object]) -> list[str]:
    transcript = row["transcript"]
    assert isinstance(transcript, list)
    return [utterance["text"] for utterance in transcript]


def test_keys_are_told_to_the_agent_in_words(bot: Bot, phone: Phone) -> None:
    phone.dtmf("12#")
    phone.wait_heard(6, after=time.monotonic())
    phone.wait_silence(0.6)
    row = ended(bot, phone)
    assert said(row) == ["Hello.", "[The caller pressed 1 2 #]", "A key was pressed."]


def test_a_number_is_typed_while_the_agent_still_asks_for_it(bot: Bot, phone: Phone) -> None:
    phone.say("It is about my customer number.")
    phone.wait_heard(6, after=time.monotonic())
    wait_for("the function call", lambda: bot.logged("OpenAI function call detected: gather_digits"), 5)
    pressed = time.monotonic()
    phone.dtmf("4")
    wait_for("silence", lambda: (phone.trace().last_audible or 0) < time.monotonic() - 0.5, 5, 0.05)
    assert (phone.trace().last_audible or 0) - pressed < 1.0, "five more seconds had been to come"
    phone.dtmf("700#")
    phone.wait_heard(6, after=time.monotonic())
    phone.wait_silence(0.6)
    row = ended(bot, phone)
    assert said(row)[-1] == "You typed 4 7 0 0.", "the key for a person is a digit here"
    assert row["tools"] == [{"name": "gather_digits", "ms": row["tools"][0]["ms"], "error": ""}]  # type: ignore[index]
    assert bot.metric('voicebot_tool_calls_total{result="ok",tool="gather_digits"}') == 1
    assert "4700" not in bot.log_tail(10_000), "digits are not for the log"


def test_a_number_that_is_too_short(bot: Bot, phone: Phone) -> None:
    phone.say("It is about my customer number.")
    phone.wait_heard(6, after=time.monotonic())
    phone.wait_silence(0.8)
    phone.dtmf("12#")
    phone.wait_heard(6, after=time.monotonic())
    phone.wait_silence(0.6)
    assert said(ended(bot, phone))[-1] == "That was too short."


def tones(phone: Phone) -> list[str]:
    """The telephone-events (RFC 4733) that reached the phone, each once."""
    packets = [
        p for p in phone.trace().packets if not p.from_phone and not p.rtcp and p.payload_type not in (0, 8)
    ]
    events = {p.timestamp: p.payload[0] for p in packets if len(p.payload) == 4}
    return ["0123456789*#ABCD"[code] for code in events.values()]


def test_tones_reach_the_phone_after_the_agents_sentence(bot: Bot, phone: Phone) -> None:
    before = len(bot.logged("OpenAI function call detected: gather_digits"))
    phone.say("It is about my customer number.")
    bot.wait_logged("OpenAI function call detected: gather_digits", count=before + 1)
    phone.dtmf("1234#")
    phone.wait_heard(6, after=time.monotonic())
    phone.wait_silence(0.8)
    phone.say("Please enter the code.")
    wait_for("four tones", lambda: len(tones(phone)) >= 4, 15, 0.05)
    assert tones(phone) == ["4", "A", "*", "#"]
    phone.wait_heard(6, after=time.monotonic())
    phone.wait_silence(0.8)
    row = ended(bot, phone)
    assert said(row)[-2:] == ["I am typing it now.", "It has been sent."]


@contextmanager
def frozen(model: Model) -> Iterator[None]:
    """The model takes connections and says nothing."""
    assert model.process is not None
    os.kill(model.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(model.process.pid, signal.SIGCONT)


def test_the_key_for_a_person_works_while_the_model_hangs(bot: Bot, model: Model, phone: Phone) -> None:
    before = len(bot.calls())
    with frozen(model):
        pressed = time.monotonic()
        phone.dtmf("0")
        phone.wait_heard(5, after=pressed)
        row = bot.wait_ended(before)[-1]
    assert phone.trace().ended is None, "the call lives on with a person"
    assert (row["outcome"], row["ended_by"], row["reason"]) == (
        "continue",
        "bot",
        "key 0: transferred to desk",
    )
    phone.hangup()


def test_the_key_for_a_person_works_while_the_model_is_being_connected(
    pbx: Asterisk, bot: Bot, model: Model
) -> None:
    before = len(bot.calls())
    with frozen(model), Phone(pbx) as phone:
        phone.dial("111")
        wait_for("the call", lambda: len(bot.calls()) > before, 5, 0.05)
        time.sleep(0.5)
        phone.dtmf("0")
        row = bot.wait_ended(before + 1)[-1]
        phone.wait_heard(5)
        phone.hangup()
    assert (row["outcome"], row["reason"]) == ("continue", "key 0: transferred to desk")
    assert row["first_audio_ms"] is None
    settled(pbx)
