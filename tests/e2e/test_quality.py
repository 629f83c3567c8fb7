"""The figures in a call's record, on a real Asterisk, over a good line and over a bad one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import quantiles
from typing import Any

import pytest

from tests.e2e.asterisk import Asterisk
from tests.e2e.bot import Bot, Model
from tests.e2e.conftest import MakePhone
from tests.e2e.phone import Phone
from tests.e2e.proxy import Impairment

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(180)]

TURNS = ["When are you open?", "And on Saturdays?"]


@pytest.fixture(scope="module")
def bot(asterisk: Asterisk) -> Iterator[Bot]:
    with Model() as model, Bot(asterisk, model.url) as bot:
        yield bot


def talk(phone: Phone, *sentences: str) -> None:
    for sentence in sentences:
        phone.wait_silence(0.6)
        phone.say(sentence)
        phone.wait_heard(10, after=time.monotonic())


def call(bot: Bot, phone: Phone, impairment: Impairment, *sentences: str) -> dict[str, Any]:
    """The row of a call of at least 8 s that the caller ends: two of the phone's RTCP reports."""
    before = len(bot.calls())
    phone.relay.from_phone = impairment
    phone.dial("100")
    answered = time.monotonic()
    phone.wait_heard(5)
    talk(phone, *sentences)
    time.sleep(max(0.0, answered + 8 - time.monotonic()))
    phone.hangup()
    return bot.wait_ended(before + 1)[-1]


def test_a_clean_call_and_one_with_loss_and_jitter(bot: Bot, make_phone: MakePhone) -> None:
    phone = make_phone()
    # A machine that stalls delivers late, which is heard and counted on a clean line too.
    tries = (call(bot, phone, Impairment(), *TURNS)["quality"] for _ in range(3))
    clean = next(quality for quality in tries if quality["late"] <= 2)
    bad = call(bot, phone, Impairment(loss=0.05, jitter_ms=80), *TURNS)["quality"]
    assert clean["mos"] > 4.2
    assert clean["phone_leg"]["mos"] > 4.2
    assert bad["phone_leg"]["mos"] < clean["phone_leg"]["mos"] - 0.15
    assert bad["phone_leg"]["lost"] > 3
    assert bad["phone_leg"]["jitter_ms"] > max(10, clean["phone_leg"]["jitter_ms"])
    assert bad["mos"] < clean["mos"] - 0.15, "Asterisk passes the holes on"
    assert bad["jitter_max_ms"] >= bad["jitter_ms"] > 10
    assert bot.metric('voicebot_mos_count{way="phone_to_asterisk"}') >= 2
    assert bot.metric('voicebot_jitter_seconds_count{way="phone_to_bot"}') >= 2


def test_what_reaches_the_phone_is_known_when_the_bot_ends_the_call(bot: Bot, make_phone: MakePhone) -> None:
    """Then the figures are asked for a last time, by when the phone has reported."""
    phone = make_phone()
    phone.relay.to_phone = Impairment(loss=0.08)
    phone.dial("100")
    phone.wait_heard(5)
    talk(phone, *TURNS)
    time.sleep(4)
    talk(phone, "Goodbye.")
    phone.wait_closed(30)
    leg = bot.wait_ended(len(bot.calls()))[-1]["quality"]["phone_leg"]
    assert leg["to_phone_lost"] > 3
    assert leg["to_phone_mos"] < 4 < leg["mos"]


def test_the_turn_in_its_parts(bot: Bot, make_phone: MakePhone) -> None:
    """Prints the bot's own share; ``pytest -s`` shows it."""
    own, first_audio = [], []
    for _ in range(3):
        phone = make_phone()
        row = call(bot, phone, Impairment(), *TURNS)
        phone.close()
        turns = row["quality"]["turns"]
        assert [round(turn["total_ms"]) for turn in turns] == pytest.approx(row["turn_latencies_ms"], abs=1)
        for turn in turns:
            parts = [turn[f"{part}_ms"] for part in ("end_of_speech", "model", "decode", "pacing")]
            assert sum(parts) == pytest.approx(turn["total_ms"], abs=0.3)
            assert turn["silence_ms"] == 500
            assert all(part >= 0 for part in parts)
            own.append(turn["own_ms"])
        first_audio.append(row["first_audio_ms"])
    assert len(own) == 6
    print(f"\nown share of a turn, ms: {sorted(own)}; p95 {quantiles(own, n=20, method='inclusive')[-1]:.0f}")
    print(f"answer → first audio, ms: {first_audio}")
    assert bot.metric('voicebot_turn_part_seconds_count{part="own"}') >= 6


def test_an_interruption_is_timed(bot: Bot, make_phone: MakePhone) -> None:
    """From the caller's first frame that was heard, and from the decision, to the agent's last packet."""
    phone = make_phone()
    phone.dial("100")
    phone.wait_heard(5)
    talk(phone, "When are you open?")
    time.sleep(0.3)
    phone.say("Stop it, please, I would like to hear about something else.")
    time.sleep(1)
    phone.hangup()
    quality = bot.wait_ended(len(bot.calls()))[-1]["quality"]
    assert quality["suspects"] >= quality["interruptions"] == len(quality["barge_ins"]) >= 1
    stop = quality["barge_ins"][0]
    assert 0 <= stop["suspect_to_stop_ms"] <= stop["onset_to_stop_ms"]
