"""A real spoken call: Asterisk, a SIP phone, ears and voice; checked by ear, that is, by Whisper."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import numpy as np
import pytest

from bot.offline.ears import transcribe
from bot.offline.formats import resample
from bot.offline.voice import open_voice
from tests.e2e.asterisk import Asterisk
from tests.e2e.bot import Bot, Model
from tests.e2e.conftest import MakePhone
from tests.e2e.sound import RATE_HZ, Pcm

pytestmark = [pytest.mark.asterisk, pytest.mark.speech, pytest.mark.timeout(240)]

QUESTION = "What are your opening hours?"
GOODBYE = "Goodbye and thank you."


async def spoken(*sentences: str) -> list[Pcm]:
    """Each sentence by the embedded model's own voice, as a phone's samples."""
    voice = await open_voice()
    try:
        said = [resample(await voice.say(sentence), 24000, RATE_HZ) for sentence in sentences]
    finally:
        await voice.close()
    return [np.frombuffer(pcm, "<i2") for pcm in said]


def words(pcm: Pcm) -> set[str]:
    text = transcribe(pcm.astype("<i2").tobytes(), RATE_HZ).lower()
    return {word.strip(".,!?'") for word in text.split()}


@pytest.fixture
def bot(asterisk: Asterisk) -> Iterator[Bot]:
    greeting = "Thank you for calling Harbour Bikes. How can I help you?"
    with (
        Model(scripted=False) as model,
        Bot(asterisk, model.url, agents={"default": {"greeting": greeting}}) as bot,
    ):
        yield bot


def test_greeting_question_goodbye(bot: Bot, make_phone: MakePhone) -> None:
    question, goodbye = asyncio.run(spoken(QUESTION, GOODBYE))
    phone = make_phone()
    phone.dial("100")
    phone.wait_heard(10)
    marks = []
    for sentence in (question, goodbye):
        marks.append(phone.wait_silence(1.0))
        phone.say(sentence)
        phone.wait_heard(15, after=time.monotonic())
    trace = phone.wait_closed(40)
    row = bot.wait_ended(1)[0]
    heard = trace.heard()
    assert trace.answered is not None
    cuts = [round((mark - trace.answered) * RATE_HZ) + RATE_HZ // 4 for mark in marks]
    greeting, answer, farewell = np.split(heard, cuts)
    assert {"calling", "help"} <= words(greeting)
    assert {"monday", "saturday"} <= words(answer)
    assert {"goodbye", "safely"} <= words(farewell), "the farewell is heard to its last word"

    asked = [u["text"].lower() for u in row["transcript"] if u["party"] == "caller"]
    assert "opening hours" in asked[0]
    assert "goodbye" in asked[1]

    assert trace.ended_by == "asterisk"
    assert trace.ended is not None
    assert trace.last_audible is not None
    assert 0.2 <= trace.ended - trace.last_audible <= 1.5
