"""Another agent takes over, on a session of its own: real phone, real Asterisk, a scripted model."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.asterisk import Asterisk, wait_for
from tests.e2e.bot import Bot, settled
from tests.e2e.gate import Gate
from tests.e2e.persona import acting, intent
from tests.e2e.phone import Phone
from tests.e2e.sound import FRAME, RATE_HZ, Pcm

pytestmark = pytest.mark.asterisk

MAX_GAP_S = 1.5
AGENTS: dict[str, dict[str, Any]] = {
    "default": {"greeting": "Hello, front desk.", "handoff": ["sales"]},
    "sales": {"greeting": "Sales speaking, which bicycle is it?", "description": "prices", "voice": "cedar"},
}
HANDOFF = intent("about a price", "handoff_to_agent", "One moment, sales will help you.", agent="sales")
BYE = intent("goodbye", "hangup_call", after="Goodbye.")


@pytest.fixture(scope="module")
def asterisk() -> Iterator[Asterisk]:
    with Asterisk() as instance:
        yield instance


@contextmanager
def running(asterisk: Asterisk, folder: Path, script: list[str], **blocks: Any) -> Iterator[Bot]:
    with (
        acting(folder, script, HANDOFF, BYE, cost="It costs ten dollars.") as model,
        Bot(asterisk, model.url, **{"agents": AGENTS, **blocks}) as bot,
    ):
        yield bot
        settled(asterisk)
        assert bot.metric("voicebot_calls_active") == 0
        assert bot.metric("voicebot_rtp_ports_free") == 500


def silences(heard: Pcm) -> list[tuple[float, float]]:
    """Each silence between sounds: when it began, and how long it lasted, in seconds."""
    frames = np.abs(heard[: len(heard) // FRAME * FRAME].reshape(-1, FRAME).astype(np.int32)).max(axis=1)
    loud = np.flatnonzero(frames > 200)
    gaps = np.diff(loud)
    return [(loud[n] * FRAME / RATE_HZ, gaps[n] * FRAME / RATE_HZ) for n in np.flatnonzero(gaps > 10)]


def test_another_agent_takes_over_without_a_gap(asterisk: Asterisk, tmp_path: Path) -> None:
    with running(asterisk, tmp_path, ["about a price", "goodbye"]) as bot, Phone(asterisk) as phone:
        phone.dial("100")
        phone.wait_heard(5)
        phone.wait_silence(0.6)
        phone.say("What does a tyre cost?")
        asked = time.monotonic() - phone.trace().start
        phone.wait_heard(10, after=time.monotonic())
        bot.wait_logged("handed_off")
        phone.wait_silence(1.0)
        gaps = [long for began, long in silences(phone.trace().heard()) if began > asked]
        sessions = len(bot.logged("model_connected"))
        phone.hangup()
        row = bot.wait_ended(1)[0]
    print(f"\nlongest silence between the two agents: {max(gaps):.2f} s")
    assert sessions == 2
    assert max(gaps) <= MAX_GAP_S
    assert [(u["party"], u["text"]) for u in row["transcript"]] == [
        ("agent", "Hello, front desk."),
        ("caller", "about a price"),
        ("agent", "One moment, sales will help you."),
        ("agent", "Sales speaking, which bicycle is it?"),
    ]
    assert [(tool["name"], tool["error"]) for tool in row["tools"]] == [("handoff_to_agent", "")]


def test_the_new_agent_hears_and_hangs_up(asterisk: Asterisk, tmp_path: Path) -> None:
    """Its script begins anew; it has no handoff of its own, so the same words now find an answer."""
    agents = {**AGENTS, "sales": {**AGENTS["sales"], "handoff": [], "tools": ["hangup_call"]}}
    with (
        running(asterisk, tmp_path, ["about a price", "goodbye"], agents=agents) as bot,
        Phone(asterisk) as phone,
    ):
        phone.dial("100")
        phone.wait_heard(5)
        for sentence in ("What does a tyre cost?", "And what now?", "Goodbye."):
            phone.wait_silence(1.0)
            phone.say(sentence)
            phone.wait_heard(10, after=time.monotonic())
        trace = phone.wait_closed(20)
        row = bot.wait_ended(1)[0]
    assert trace.ended_by == "asterisk"
    assert (row["outcome"], row["ended_by"]) == ("hangup", "agent")
    assert [tool["name"] for tool in row["tools"]] == ["handoff_to_agent", "hangup_call"]
    assert row["quality"]["lost"] == 0


def test_a_model_that_cannot_be_reached_leaves_the_old_agent(asterisk: Asterisk, tmp_path: Path) -> None:
    with (
        acting(tmp_path, ["about a price"], HANDOFF) as model,
        Gate(model.url) as gate,
        Bot(asterisk, gate.url, agents=AGENTS) as bot,
        Phone(asterisk) as phone,
    ):
        phone.dial("100")
        phone.wait_heard(5)
        phone.wait_silence(0.6)
        gate.shut()
        phone.say("What does a tyre cost?")
        wait_for("the old agent to say so", lambda: told(bot, "That did not work."), 20)
        phone.hangup()
        row = bot.wait_ended(1)[0]
    assert row["tools"][0]["error"] == "the other agent cannot be reached"


def told(bot: Bot, words: str) -> bool:
    return any(line.get("transcript") == words for line in bot.logged("agent_said"))
