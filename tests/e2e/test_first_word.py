"""Before the first word: warm sessions, a recorded greeting, and how long the caller hears nothing.

Prints the figures; ``pytest -s`` shows them.
"""

from __future__ import annotations

import time
import wave
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles
from typing import Any

import numpy as np
import pytest

from tests.e2e.asterisk import Asterisk, wait_for
from tests.e2e.bot import Bot, Model
from tests.e2e.conftest import MakePhone
from tests.e2e.phone import Phone
from tests.e2e.sound import TABLES, decode, likeness, speak, write_wav

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(180)]

CALLS = 8
WORDS = "Hello, this is Harbour Bikes. How can I help you?"


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model() as model:
        yield model


@pytest.fixture
def greeting(tmp_path: Path) -> dict[str, Any]:
    write_wav(tmp_path / "greeting.wav", speak(WORDS))
    return {"greeting": WORDS, "greeting_audio": str(tmp_path / "greeting.wav")}


def first_audio(bot: Bot, phone: Phone, calls: int) -> list[int]:
    """Milliseconds from answer to first packet, of so many calls; printed."""
    for n in range(calls):
        began = time.monotonic()
        phone.dial("100")
        phone.wait_heard(5, after=began)
        phone.hangup()
        bot.wait_ended(n + 1)
    found = [row["first_audio_ms"] for row in bot.wait_ended(calls)]
    wire = [1000 * ((t.first_audible or 0) - (t.answered or 0)) for t in phone.traces()]
    for name, values in (("the bot", found), ("the phone", wire)):
        p95 = quantiles(values, n=20, method="inclusive")[-1]
        print(f"\nanswer → first audio by {name}, ms: {[round(v) for v in values]}, p95 {p95:.0f}")
    return found


def test_the_model_greets(asterisk: Asterisk, model: Model, make_phone: MakePhone) -> None:
    with Bot(asterisk, model.url) as bot:
        first_audio(bot, make_phone(), CALLS)
        assert not any(line["warm"] for line in bot.logged("model_connected"))


def test_a_warm_session_and_a_recording(
    asterisk: Asterisk, model: Model, make_phone: MakePhone, greeting: dict[str, Any]
) -> None:
    with Bot(asterisk, model.url, openai={"warm_sessions": 1}, agents={"default": greeting}) as bot:
        wait_for("a warm session", lambda: bot.metric("voicebot_warm_sessions") == 1, 10)
        phone = make_phone()
        first_audio(bot, phone, CALLS)
        assert sum(line["warm"] for line in bot.logged("model_connected")) >= CALLS // 2
        assert not bot.logged("warm_session_dead")
        wait_for("another in its place", lambda: bot.metric("voicebot_warm_sessions") == 1, 10)


def test_the_recording_is_heard_whole_and_the_talk_goes_on(
    asterisk: Asterisk, model: Model, make_phone: MakePhone, greeting: dict[str, Any]
) -> None:
    with (
        Bot(asterisk, model.url, agents={"default": greeting}) as bot,
        wave.open(greeting["greeting_audio"]) as file,
    ):
        phone = make_phone()
        phone.dial("100")
        phone.wait_heard(5)
        heard_until = phone.wait_silence(0.6)
        phone.say("When are you open?")
        phone.wait_heard(10, after=heard_until + 0.5)
        phone.hangup()
        row = bot.wait_ended(1)[0]
        recording = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    # One packet after the other: a machine that stalls may deliver them late, but not in another order.
    came = [p for p in phone.trace().packets if not p.from_phone and p.payload_type in TABLES]
    score, _ = likeness(recording, np.concatenate([decode(p.payload, p.payload_type) for p in came]))
    assert score > 0.99
    assert [u["party"] for u in row["transcript"]] == ["agent", "caller", "agent"]
    assert (row["transcript"][0]["text"], row["transcript"][0]["estimated"]) == (WORDS, False)


def test_a_model_that_dies_takes_no_call_along(asterisk: Asterisk, make_phone: MakePhone) -> None:
    """Warm sessions of a model that is gone are not given to a call; when it is back there are new ones."""
    with Model() as model, Bot(asterisk, model.url, openai={"warm_sessions": 2}) as bot:
        wait_for("warm sessions", lambda: bot.metric("voicebot_warm_sessions") == 2, 10)
        assert model.process is not None
        port = int(model.url.split(":")[2].split("/")[0])
        model.process.kill()
        wait_for("the pool to notice", lambda: bot.metric("voicebot_warm_sessions") == 0, 10)
        with Model(port=port):
            phone = make_phone()
            phone.dial("100")
            phone.wait_heard(5)
            phone.hangup()
            assert bot.wait_ended(1)[0]["first_audio_ms"] is not None
            wait_for("new ones", lambda: bot.metric("voicebot_warm_sessions") == 2, 30)
