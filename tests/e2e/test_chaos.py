"""Two hundred calls whose agents use tools at random, ended at random moments on any side; sometimes the
model is gone, and some calls are the bot's own."""

from __future__ import annotations

import random
import threading
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bot.asterisk_config import dialled
from bot.asterisk_out import called_out
from bot.config.settings import DIAL_CONTEXT, Settings
from tests.e2e.asterisk import Asterisk, HarnessError, wait_for
from tests.e2e.bot import Bot, settled
from tests.e2e.callers import Callers
from tests.e2e.gate import Gate
from tests.e2e.persona import acting, intent
from tests.e2e.phone import Phone
from tests.e2e.receiver import Receiver
from tests.e2e.test_outbound import TOKEN, ask

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(300)]

CALLS_EACH = 23
SEED = 4
DESTINATIONS = {
    "operator": {"context": "destinations", "exten": "200"},
    "desk": {"dial": "PJSIP/201", "ring_timeout": 3},
}
WORDS = ("do it now", "and something else")
#: Turn by turn the words lead to the first or to the last of the tools that an agent has.
DEEDS: dict[str, dict[str, Any]] = {
    "hangup_call": {},
    "transfer_call": {"destination": "operator"},
    "attended_transfer": {"destination": "desk", "summary": "They want a tyre."},
    "handoff_to_agent": {"agent": "away"},
    "gather_digits": {"timeout_s": 2},
    "send_dtmf": {"digits": "12"},
    "take_message": {},
    "pause_for_card": {"field": "number"},
    "notify": {"text": "hello"},
}
INTENTS = [intent(WORDS[0], name, "One moment.", "Done.", **given) for name, given in DEEDS.items()]
INTENTS += [intent(WORDS[1], name, "One moment.", **given) for name, given in reversed(DEEDS.items())]
NAMES = [*DEEDS]
#: Each group of callers reaches an agent with two tools: its own, then one that the dice chose.
DRAWN = [[name, random.Random(SEED + n).choice(NAMES[n + 1 :])] for n, name in enumerate(NAMES[:-1])]
DRAWN.append(NAMES[-1:])
EXTENSIONS = [str(120 + n) for n in range(len(DRAWN))]
AGENTS: dict[str, dict[str, Any]] = {
    f"agent{extension}": {"match": {"extension": extension}, "tools": tools, "greeting": "Yes?"}
    for extension, tools in zip(EXTENSIONS, DRAWN, strict=True)
}
for agent in AGENTS.values():
    agent["handoff"] = ["away"] if "handoff_to_agent" in agent["tools"] else []
AGENTS["away"] = {"tools": ["hangup_call"], "greeting": "Away speaking.", "handoff": []}
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
{called_out(Settings.model_validate({"outbound": {"allow": ["PJSIP/202"]}}))}
"""


@contextmanager
def hanging_up(asterisk: Asterisk, dice: random.Random) -> Iterator[list[str]]:
    """Meanwhile somebody else ends channels, callers' and destinations', whenever the dice say so."""
    over, ended = threading.Event(), list[str]()

    def work() -> None:
        while not over.wait(dice.uniform(0.2, 0.8)):
            with suppress(OSError):  # the channel was faster, or Asterisk is busy
                people = [c["id"] for c in asterisk.channels() if not c["name"].startswith("UnicastRTP")]
                if people:
                    chosen = dice.choice(people)
                    asterisk.ari("DELETE", f"/channels/{chosen}")
                    ended.append(chosen)

    with meanwhile(work, over):
        yield ended


@contextmanager
def meanwhile(work: Callable[[], None], over: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(10)


@contextmanager
def deciding(desk: Phone, dice: random.Random) -> Iterator[None]:
    """Whoever calls the desk is answered, and taken or not."""
    over = threading.Event()

    def work() -> None:
        answered = 0
        while not over.wait(0.1):
            calls = sum(event.type == "CALL_ESTABLISHED" for event in desk.events)
            if calls > answered:
                answered = calls
                over.wait(dice.uniform(0.5, 1.5))
                desk.dtmf(dice.choice("1112"))

    with meanwhile(work, over):
        yield


@contextmanager
def breaking(gate: Gate, dice: random.Random) -> Iterator[None]:
    """A session with the model is lost now and then."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(dice.uniform(1.0, 2.5)):
            gate.cut(-dice.randint(1, 12))

    with meanwhile(work, over):
        yield


@contextmanager
def calling_out(bot: Bot, dice: random.Random) -> Iterator[list[int]]:
    """The bot calls, too; how each order was taken."""
    over, answers = threading.Event(), list[int]()

    def work() -> None:
        while not over.wait(dice.uniform(1.0, 2.0)):
            agent = dice.choice([*AGENTS])
            answers.append(ask(bot, "POST", "/api/calls", {"endpoint": "PJSIP/202", "agent": agent})[0])

    with meanwhile(work, over):
        yield answers


def is_whole(path: Path) -> bool:
    """A stereo recording, as long as its header says."""
    with wave.open(str(path)) as file:
        frames = file.getnframes()
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        assert len(file.readframes(frames)) == 4 * frames
    return bool(path.stat().st_size == 44 + 4 * frames)


def test_two_hundred_calls_leave_nothing(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    with (
        Asterisk(phones=["phone", "201", "202"], dialplan=DIALPLAN) as asterisk,
        Receiver() as shop,
        acting(tmp_path, list(WORDS), *INTENTS) as model,
        Gate(model.url) as gate,
        Bot(
            asterisk,
            gate.url,
            agents=AGENTS,
            destinations=DESTINATIONS,
            http_tools={"notify": {**NOTIFY, "url": shop.url}},
            message={"folder": str(tmp_path / "messages"), "max_s": 2, "silence_s": 1},
            card={"url": shop.url},
            web={"api_token": TOKEN},
            outbound={"allow": ["PJSIP/202"], "per_minute": 100},
        ) as bot,
    ):
        descriptors, tasks = bot.descriptors(), bot.metric("voicebot_tasks")
        with (
            Phone(asterisk, "201", auto_answer=True) as desk,
            Phone(asterisk, "202", auto_answer=True),
            hanging_up(asterisk, dice) as ended,
            deciding(desk, dice),
            breaking(gate, dice),
            calling_out(bot, dice) as orders,
        ):
            done, failed = all_call(asterisk)
        assert done + failed == CALLS_EACH * len(EXTENSIONS)
        assert len(ended) >= 20
        settled(asterisk, 45)  # who never sent his ACK is given up after 32 s (RFC 3261, 64 times T1)
        try:
            wait_for("calls to end", lambda: bot.metric("voicebot_calls_active") == 0, 20)
        except HarnessError as error:
            active = [call["id"] for call in ask(bot, "GET", "/api/calls")[1]["calls"]]
            about = [line for line in bot.log if line.get("call_id") in active and line["level"] != "debug"]
            raise HarnessError(f"{error}; still there: {active}: {about}") from None
        rows = bot.calls()
        nothing_is_left(bot, rows, descriptors, tasks)
        kept = [file.name for folder in (tmp_path, bot.folder) for file in folder.rglob("*.part")]
        assert kept == []
        recordings = [Path(row["recording"]) for row in rows if row["recording"]]
        assert [path.name for path in recordings if not is_whole(path)] == []
        outcomes = Counter(row["outcome"] for row in rows)
        used = Counter(tool["name"] for row in rows for tool in row["tools"])
        lost, replaced = (len(bot.logged(event)) for event in ("model_lost", "model_replaced"))
        asked = Counter(
            what.partition(": ")[2] for row in rows for _, kind, what in row["timeline"] if kind == "transfer"
        )
    print(f"\n{dict(outcomes)}; {dict(used)}; {dict(asked)}; {orders.count(201)} called by us")
    print(f"{lost} models lost, {replaced} replaced")
    assert len(rows) >= 0.9 * CALLS_EACH * len(EXTENSIONS)  # a caller may be gone before the bot is told
    assert set(outcomes) == {"hangup", "continue", "connected"}
    assert set(DEEDS) <= set(used)
    assert lost >= replaced >= 1
    assert sum(row["direction"] == "out" for row in rows) == orders.count(201) >= 5
    assert len(recordings) >= len(rows) / 2


def nothing_is_left(bot: Bot, rows: list[dict[str, Any]], descriptors: int, tasks: float) -> None:
    assert all(row["ended_at"] is not None for row in rows)
    assert bot.metric("voicebot_rtp_ports_free") == 500
    wait_for("descriptors to be closed", lambda: bot.descriptors() <= descriptors + 8, 15)
    wait_for("tasks to end", lambda: bot.metric("voicebot_tasks") <= tasks + 1, 15)
    faults = [f"{line['event']}\n{line['exception']}" for line in bot.log if "exception" in line]
    assert not faults, "\n".join(faults)


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
                    per_second=0.3,  # with more, Asterisk is late with its answers on two cores
                    first_s=0.0,
                    last_s=12.0,
                    words="Do it now, please.",
                )
            )
            for extension in EXTENSIONS
        ]
        counts = [group.finish(150) for group in groups]
    return sum(done for done, _ in counts), sum(failed for _, failed in counts)
