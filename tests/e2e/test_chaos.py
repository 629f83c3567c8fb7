"""Two hundred calls whose agents use every tool, ended at random moments on any side."""

from __future__ import annotations

import random
import threading
import urllib.error
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.asterisk_config import dialled
from bot.config.settings import DIAL_CONTEXT, Settings
from tests.e2e.asterisk import Asterisk, wait_for
from tests.e2e.bot import Bot, settled
from tests.e2e.callers import Callers
from tests.e2e.persona import acting, intent
from tests.e2e.phone import Phone
from tests.e2e.receiver import Receiver

pytestmark = pytest.mark.asterisk

CALLS_EACH = 25
DESTINATIONS = {
    "operator": {"context": "destinations", "exten": "200"},
    "desk": {"dial": "PJSIP/201", "ring_timeout": 3},
}
WORDS = "do it now"
#: Whatever is said leads to the one tool that an agent has.
DEEDS: dict[str, dict[str, Any]] = {
    "hangup_call": {},
    "transfer_call": {"destination": "operator"},
    "attended_transfer": {"destination": "desk", "summary": "They want a tyre."},
    "handoff_to_agent": {"agent": "away"},
    "gather_digits": {"timeout_s": 2},
    "send_dtmf": {"digits": "12"},
    "take_message": {},
    "notify": {"text": "hello"},
}
INTENTS = [intent(WORDS, name, "One moment.", "Done.", **given) for name, given in DEEDS.items()]
INTENTS += [intent(WORDS, "accept_caller"), intent(WORDS, "decline_caller")]
EXTENSIONS = {name: str(120 + n) for n, name in enumerate(DEEDS)}
AGENTS: dict[str, dict[str, Any]] = {
    name: {"match": {"extension": extension}, "tools": [name], "greeting": "Yes?"}
    for name, extension in EXTENSIONS.items()
}
AGENTS["handoff_to_agent"]["handoff"] = ["away"]
AGENTS["away"] = {"tools": ["hangup_call"], "greeting": "Away speaking."}
NOTIFY = {
    "description": "Tells the shop.",
    "method": "POST",
    "allow_private": True,
    "parameters": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
}
DIALPLAN = f"""
[phones]
exten => _12X,1,Stasis(voicebot)
 same => n,Hangup()

{dialled(Settings.model_validate({"destinations": DESTINATIONS}), f"[{DIAL_CONTEXT}]")}
"""


@contextmanager
def hanging_up(asterisk: Asterisk, dice: random.Random) -> Iterator[list[str]]:
    """Meanwhile somebody else ends channels, callers' and destinations', whenever the dice say so."""
    over, ended = threading.Event(), list[str]()

    def work() -> None:
        while not over.wait(dice.uniform(0.2, 0.8)):
            people = [c["id"] for c in asterisk.channels() if not c["name"].startswith("UnicastRTP")]
            if people:
                ended.append(dice.choice(people))
                try:
                    asterisk.ari("DELETE", f"/channels/{ended[-1]}")
                except urllib.error.HTTPError:
                    ended.pop()  # it was faster

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield ended
    over.set()
    thread.join(5)


def test_two_hundred_calls_leave_nothing(tmp_path: Path) -> None:
    with (
        Asterisk(phones=["phone", "201"], dialplan=DIALPLAN) as asterisk,
        Receiver() as shop,
        acting(tmp_path, [WORDS], *INTENTS) as model,
        Bot(
            asterisk,
            model.url,
            agents=AGENTS,
            destinations=DESTINATIONS,
            http_tools={"notify": {**NOTIFY, "url": shop.url}},
            message={"folder": str(tmp_path / "messages"), "max_s": 2, "silence_s": 1},
        ) as bot,
    ):
        descriptors, tasks = bot.descriptors(), bot.metric("voicebot_tasks")
        with Phone(asterisk, "201", auto_answer=True), hanging_up(asterisk, random.Random(4)) as ended:
            done, failed = all_call(asterisk)
        assert done + failed == CALLS_EACH * len(DEEDS)
        assert len(ended) >= 20
        settled(asterisk, 30)
        wait_for("calls to end", lambda: bot.metric("voicebot_calls_active") == 0, 20)
        rows = bot.calls()
        assert len(rows) >= 0.9 * CALLS_EACH * len(DEEDS)  # a caller may be gone before the bot is told
        assert {row["outcome"] for row in rows} <= {"hangup", "continue", "connected"}
        assert all(row["ended_at"] is not None for row in rows)
        used = {tool["name"] for row in rows for tool in row["tools"]}
        assert set(DEEDS) <= used
        assert bot.metric("voicebot_rtp_ports_free") == 500
        wait_for("descriptors to be closed", lambda: bot.descriptors() <= descriptors + 8, 15)
        wait_for("tasks to end", lambda: bot.metric("voicebot_tasks") <= tasks + 1, 15)
        assert [line for line in bot.log if "exception" in line] == []
        kept = [file.name for file in tmp_path.rglob("*") if file.suffix == ".part"]
        kept += [file.name for file in bot.folder.rglob("*") if file.suffix == ".part"]
        assert kept == []


def all_call(asterisk: Asterisk) -> tuple[int, int]:
    """Every extension at once; who calls hangs up within seconds. How many went as they wished, and not."""
    with ExitStack() as stack:
        groups = [
            stack.enter_context(
                Callers(
                    asterisk,
                    extension,
                    scenario="leave",
                    calls=CALLS_EACH,
                    per_second=1,
                    first_s=0.0,
                    last_s=9.0,
                    words="Do it now, please.",
                )
            )
            for extension in EXTENSIONS.values()
        ]
        counts = [group.finish(120) for group in groups]
    return sum(done for done, _ in counts), sum(failed for _, failed in counts)
