"""A card's digits, typed on keys that sound in the audio, too: afterwards they are only where they belong."""

from __future__ import annotations

import re
import sqlite3
import time
import wave
from collections.abc import Iterator

import numpy as np
import pytest

from tests.e2e.asterisk import Asterisk, wait_for
from tests.e2e.bot import Bot, Model, settled
from tests.e2e.phone import Phone
from tests.e2e.receiver import Receiver
from tests.e2e.sound import RATE_HZ, Pcm

pytestmark = pytest.mark.asterisk

NUMBER = "4929718350614207"
LOW_HZ, HIGH_HZ = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
KEYS = ("123A", "456B", "789C", "*0#D")
AGENTS = {"default": {"greeting": "Hello.", "tools": ["pause_for_card"]}}


def dtmf(digits: str) -> Pcm:
    """In-band tones (ITU-T Q.23), 100 ms each and as long a gap."""
    n = np.arange(RATE_HZ // 10)
    pieces = []
    for digit in digits:
        row = next(r for r, keys in enumerate(KEYS) if digit in keys)
        low, high = LOW_HZ[row], HIGH_HZ[KEYS[row].index(digit)]
        tone = 6000 * (np.sin(2 * np.pi * low * n / RATE_HZ) + np.sin(2 * np.pi * high * n / RATE_HZ))
        pieces += [tone.astype(np.int16), np.zeros(len(n), np.int16)]
    return np.concatenate(pieces)


def power(piece: Pcm, hz: int) -> float:
    """Of one frequency, as a share of all there is (Goertzel's)."""
    x = piece.astype(float)
    n = np.arange(len(x))
    return float(
        2 * abs(np.sum(x * np.exp(-2j * np.pi * hz * n / RATE_HZ))) ** 2 / (len(x) * np.sum(x**2) + 1e-9)
    )


def detected(pcm: Pcm) -> str:
    """The digits that a detector hears in windows of 40 ms."""
    found = ""
    for at in range(0, len(pcm) - 320, 160):
        piece = pcm[at : at + 320]
        if np.abs(piece).max() < 200:
            found += " "
            continue
        low, high = ([power(piece, hz) for hz in group] for group in (LOW_HZ, HIGH_HZ))
        loud = min(max(low), max(high)) > 0.2
        found += KEYS[int(np.argmax(low))][int(np.argmax(high))] if loud else " "
    return "".join(re.sub(r"(.)\1*", r"\1", word) for word in found.split())


def left_of(path: str) -> Pcm:
    with wave.open(path) as file:
        stereo = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return stereo[:, 0]


@pytest.fixture(scope="module")
def pbx() -> Iterator[Asterisk]:
    with Asterisk(phones=["phone"]) as asterisk:
        yield asterisk


def holds_digits(text: str) -> bool:
    """Whether half of them stand there in a row, however they are grouped; fewer may be a time of day."""
    dense = re.sub(r"(?<=\d)[ ,\-\"'\[\]]+(?=\d)", "", text)
    return any(NUMBER[at : at + 8] in dense for at in range(len(NUMBER) - 7))


def test_nothing_of_the_digits_is_left_anywhere(pbx: Asterisk) -> None:
    answer = b'{"result": {"status": "accepted", "echo": "%s"}}' % NUMBER.encode()
    with (
        Receiver([(200, answer)]) as service,
        Model(arguments=["--persona", "tests/e2e/personas/card.yaml"]) as model,
        Bot(
            pbx,
            model.url,
            env={"TOKEN": "s3cret-token"},
            agents=AGENTS,
            card={"url": service.url, "headers": {"X-Token": "${TOKEN}"}, "answer": "result.status"},
        ) as bot,
        Phone(pbx) as phone,
    ):
        phone.dial("100")
        phone.wait_heard(5)
        phone.wait_silence(0.6)
        phone.say("I want to pay by card.")
        bot.wait_logged("OpenAI function call detected: pause_for_card")
        phone.say(dtmf(NUMBER), wait=False)  # a phone that sends its tones in the audio, too
        phone.dtmf(NUMBER + "#")
        phone.wait_heard(10, after=time.monotonic())
        phone.wait_silence(0.8)
        phone.say("When are you open?")  # all goes on
        phone.wait_heard(10, after=time.monotonic())
        phone.wait_silence(0.6)
        sent_in_band = detected(phone.trace().said())
        phone.hangup()
        row = bot.wait_ended(1)[0]
        metrics = bot.get("/metrics")[1]
        log = bot.log_tail(100_000)
        assert not bot.logged("dtmf_received")
        assert model.process is not None
        heard_by_model = "\n".join(model.process.lines)
        with sqlite3.connect(bot.database) as database:
            database_text = "\n".join(database.iterdump())
        everything = b"".join(file.read_bytes() for file in bot.folder.rglob("*") if file.is_file())
        recording = left_of(row["recording"])
    (posted,) = service.got
    assert posted == {"call_id": row["id"], "field": "number", "digits": NUMBER}
    assert service.headers[0]["X-Token"] == "s3cret-token"
    said = [u["text"] for u in row["transcript"]]
    assert said[2] in "Please type the number of your card.", "the first digit interrupts it"
    assert said[:2] + said[3:] == [
        "Hello.",
        "pay by card",
        "16 digits were entered. It is accepted.",
        "when are you open",
        "All day long.",
    ]
    for text in (database_text, log, metrics, heard_by_model):
        assert not holds_digits(text)
    assert NUMBER.encode() not in everything
    assert "dtmf" not in [kind for _, kind, _ in row["timeline"]]
    assert len(sent_in_band) >= 8, "the tones were in the audio"
    assert detected(recording) == "", "and are not in the recording"
    last = recording[-RATE_HZ * 6 :]
    assert np.abs(last).max() > 2000, "which goes on afterwards"
    settled(pbx)


@pytest.mark.parametrize(
    ("status", "answer"), [(500, b"down"), (200, b"no JSON"), (200, b'{"result": 1}'), (402, b"{}")]
)
def test_a_service_that_is_broken_is_told_in_words(pbx: Asterisk, status: int, answer: bytes) -> None:
    with (
        Receiver([(status, answer)]) as service,
        Model(arguments=["--persona", "tests/e2e/personas/card.yaml"]) as model,
        Bot(pbx, model.url, agents=AGENTS, card={"url": service.url, "answer": "result.status"}) as bot,
        Phone(pbx) as phone,
    ):
        phone.dial("100")
        phone.wait_heard(5)
        phone.wait_silence(0.6)
        phone.say("I want to pay by card.")
        bot.wait_logged("OpenAI function call detected: pause_for_card")
        phone.dtmf(NUMBER + "#")
        phone.wait_heard(10, after=time.monotonic())
        phone.wait_silence(0.6)
        phone.hangup()
        row = bot.wait_ended(1)[0]
        log = bot.log_tail(100_000)
    assert row["transcript"][-1]["text"] == "That did not work."
    assert "the payment service could not use them" in row["tools"][0]["error"]
    assert not holds_digits(log + str(row))
    settled(pbx)


def test_too_few_digits_are_sent_nowhere(pbx: Asterisk) -> None:
    with (
        Receiver() as service,
        Model(arguments=["--persona", "tests/e2e/personas/card.yaml"]) as model,
        Bot(pbx, model.url, agents=AGENTS, card={"url": service.url}) as bot,
        Phone(pbx) as phone,
    ):
        phone.dial("100")
        phone.wait_heard(5)
        phone.wait_silence(0.6)
        phone.say("I want to pay by card.")
        bot.wait_logged("OpenAI function call detected: pause_for_card")
        phone.dtmf(NUMBER[:8] + "#")
        wait_for("the result", lambda: bot.logged("response.done received")[2:], 10, 0.1)
        phone.hangup()
        row = bot.wait_ended(1)[0]
    assert row["tools"][0]["error"] == "8 digits were entered, and that is no number"
    assert service.got == []
    assert not holds_digits(str(row))
    settled(pbx)
