"""``barge_in: off`` for one agent: it is heard to its end, whoever talks."""

from __future__ import annotations

import time

import pytest

from tests.e2e.bot import Bot, Model
from tests.e2e.conftest import MakeAsterisk, MakePhone

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(120)]


def test_an_agent_that_may_not_be_interrupted(make_asterisk: MakeAsterisk, make_phone: MakePhone) -> None:
    asterisk = make_asterisk()
    agents = {"default": {"barge_in": "off"}}
    with Model() as model, Bot(asterisk, model.url, agents=agents) as bot:
        phone = make_phone(at=asterisk)
        phone.dial("100")
        phone.wait_heard(5)
        phone.say("Stop it, please, I would like to hear about something else.", wait=False)
        phone.wait_silence(1.0)
        phone.quiet()
        time.sleep(0.2)
        phone.hangup()
        row = bot.wait_ended(1)[0]
    assert (row["quality"]["suspects"], row["quality"]["interruptions"]) == (0, 0)
    assert row["transcript"][0]["estimated"] is False
    assert row["quality"]["flushed_ms"] == 0
