"""A caller leaves a message: the beep, what is recorded, what the row holds, and who is told of it."""

from __future__ import annotations

import io
import sqlite3
import time
import wave
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.asterisk import Asterisk, wait_for
from tests.e2e.bot import Bot, Model, settled
from tests.e2e.phone import Phone
from tests.e2e.receiver import Receiver
from tests.e2e.sound import RATE_HZ, Pcm, likeness, speak

pytestmark = pytest.mark.asterisk

AGENTS = {"default": {"greeting": "Hello.", "tools": ["take_message"]}}
WORDS = "Please call me back tomorrow, my name is Ada."


@pytest.fixture(scope="module")
def pbx() -> Iterator[Asterisk]:
    with Asterisk(phones=["phone"]) as asterisk:
        yield asterisk


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Away at first."""
    with Receiver([(503, b""), (200, b"")]) as receiver:
        yield receiver


@pytest.fixture
def bot(pbx: Asterisk, receiver: Receiver, tmp_path: Path) -> Iterator[Bot]:
    webhook = {"url": receiver.url, "headers": {"X-Token": "${TOKEN}"}, "retry_s": 0.5}
    with (
        Model(arguments=["--persona", "tests/e2e/personas/message.yaml"]) as model,
        Bot(
            pbx,
            model.url,
            env={"TOKEN": "s3cret-token"},
            agents=AGENTS,
            message={"folder": str(tmp_path), "silence_s": 2, "webhook": webhook},
        ) as bot,
    ):
        yield bot


def messages(bot: Bot, webhook: str) -> list[dict[str, Any]]:
    with sqlite3.connect(bot.database) as database:
        database.row_factory = sqlite3.Row
        found = database.execute("SELECT * FROM messages WHERE webhook = ?", (webhook,)).fetchall()
    return [dict(row) for row in found]


def samples(wav: bytes) -> Pcm:
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE_HZ)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def hear_beep(phone: Phone, after: float) -> None:
    """1000 Hz and nothing else for a while."""

    def found() -> bool:
        trace = phone.trace()
        heard = trace.heard()[round((after - trace.start) * RATE_HZ) :]
        for at in range(0, len(heard) - 1600, 400):
            piece = heard[at : at + 1600].astype(float)
            spectrum = np.abs(np.fft.rfft(piece))
            if np.abs(piece).max() > 2000 and spectrum[195:206].sum() > 0.7 * spectrum.sum():
                return True
        return False

    wait_for("the beep", found, 15, 0.1)


def ask_for_it(phone: Phone) -> None:
    phone.dial("100")
    phone.wait_heard(5)
    phone.wait_silence(0.6)
    asked = time.monotonic()
    phone.say("Can I leave a message?")
    hear_beep(phone, asked)
    time.sleep(0.5)


def test_a_message_is_recorded_kept_and_handed_on(pbx: Asterisk, bot: Bot, receiver: Receiver) -> None:
    words = speak(WORDS)
    with Phone(pbx) as phone:
        ask_for_it(phone)
        began = time.monotonic()
        phone.say(words)
        phone.wait_heard(15, after=began)
        phone.wait_silence(0.6)
        phone.hangup()
        row = bot.wait_ended(1)[0]
    (kept,) = wait_for("the delivery", lambda: messages(bot, "delivered"), 10, 0.1)
    assert kept["call_id"] == row["id"]
    assert (kept["ended"], kept["transcript"]) == ("silence", "please call me back tomorrow")
    assert [u["text"] for u in row["transcript"] if u["party"] == "agent"] == [
        "Hello.",
        "Please speak after the tone.",
        "Thank you, it will be passed on.",
    ], "nobody answers a message while it is spoken"
    assert len(receiver.got) == 2, "refused once, then taken"
    posted = receiver.got[1]
    assert receiver.headers[1]["X-Token"] == "s3cret-token"
    assert (posted["id"], posted["transcript"]) == (kept["id"], kept["transcript"])
    recorded = samples(b64decode(posted["audio_wav"]))
    assert likeness(words, recorded)[0] > 0.9, "the caller as he came, from the first word on"
    assert kept["seconds"] == pytest.approx(len(words) / RATE_HZ + 2, abs=1.5)
    assert "s3cret-token" not in bot.log_tail(10_000)
    settled(pbx)


def test_a_caller_who_hangs_up_in_the_middle_has_left_his_message(
    pbx: Asterisk, bot: Bot, receiver: Receiver
) -> None:
    words = speak(WORDS)
    with Phone(pbx) as phone:
        ask_for_it(phone)
        phone.say(words)
        phone.hangup()
        bot.wait_ended(1)
    (kept,) = wait_for("the delivery", lambda: messages(bot, "delivered"), 10, 0.1)
    assert kept["ended"] == "leaving"
    recorded = samples(b64decode(receiver.got[-1]["audio_wav"]))
    assert likeness(words[: len(words) - RATE_HZ // 2], recorded)[0] > 0.9
    settled(pbx)


@pytest.mark.parametrize("ended", ["key", "limit"])
def test_a_message_ends_with_the_hash_key_or_at_its_longest(
    pbx: Asterisk, receiver: Receiver, tmp_path: Path, ended: str
) -> None:
    with (
        Model(arguments=["--persona", "tests/e2e/personas/message.yaml"]) as model,
        Bot(
            pbx, model.url, agents=AGENTS, message={"folder": str(tmp_path), "silence_s": 10, "max_s": 3}
        ) as bot,
        Phone(pbx) as phone,
    ):
        ask_for_it(phone)
        phone.say(speak(WORDS + " And bring the other bicycle along, please."), wait=False)
        time.sleep(1.5)
        if ended == "key":
            phone.dtmf("#")
        (line,) = wait_for("the result", lambda: bot.logged("tool_done"), 10, 0.05)
        phone.hangup()
        bot.wait_ended(1)
        (kept,) = messages(bot, "")
    assert line["ok"]
    assert kept["ended"] == ended
    assert kept["seconds"] == pytest.approx(3 if ended == "limit" else 2, abs=0.8)
    settled(pbx)
