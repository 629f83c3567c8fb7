"""People who ask aloud for what they want: real ears decide, a real voice answers, real phones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.e2e.asterisk import Asterisk, HarnessError, wait_for
from tests.e2e.bot import Bot, Model, settled
from tests.e2e.phone import Phone
from tests.e2e.sound import Pcm
from tests.e2e.test_speech import spoken

PERSONA = "tests/e2e/personas/speech.yaml"
#: How often somebody says the same again who was not understood.
TRIES = 3


@dataclass(frozen=True)
class Stack:
    """``voice``: the callers' sentences, as sound."""

    asterisk: Asterisk
    model: Model
    bot: Bot
    voice: dict[str, Pcm]


def voices(sentences: tuple[str, ...]) -> dict[str, Pcm]:
    return dict(zip(sentences, asyncio.run(spoken(*sentences)), strict=True))


def listening() -> Model:
    """The embedded model, with ears."""
    return Model(scripted=False, arguments=["--persona", PERSONA])


@contextmanager
def nothing_left(stack: Stack) -> Iterator[None]:
    """Afterwards what was heard is printed, and nothing is left anywhere."""
    heard = len(stack.bot.logged("caller_said"))
    yield
    settled(stack.asterisk)
    wait_for("the call to be over", lambda: stack.bot.metric("voicebot_calls_active") == 0, 10)
    assert stack.bot.metric("voicebot_rtp_ports_free") == 500
    assert [line for line in stack.bot.log if "exception" in line] == []
    words = [line["transcript"].strip() for line in stack.bot.logged("caller_said")[heard:]]
    print(f"\nheard: {' | '.join(words)}")


class Speaker:
    """Somebody at a phone who asks, and asks again when not understood."""

    def __init__(self, stack: Stack, phone: Phone) -> None:
        self.stack = stack
        self.phone = phone

    def dial(self) -> None:
        self.phone.dial("110")
        self.phone.wait_heard(10)

    def asks(self, sentence: str, tool: str = "", *, pause_s: float = 0.9) -> None:
        """Until the model calls ``tool``; without one, once."""
        bot, event = self.stack.bot, f"OpenAI function call detected: {tool}"
        before = len(bot.logged(event))
        for _ in range(TRIES if tool else 1):
            self.phone.wait_silence(pause_s)
            self.phone.say(self.stack.voice[sentence])
            try:
                if tool:
                    bot.wait_logged(event, 7, count=before + 1)
                return
            except HarnessError:
                continue
        raise HarnessError(f"nobody understood {sentence!r}:\n{bot.log_tail(15)}")

    def hears(self, words: str, timeout: float = 20.0) -> None:
        """The agent says it, and the phone hears that."""
        said = lambda: any(words in line["transcript"] for line in self.stack.bot.logged("agent_said"))  # noqa: E731
        wait_for(f"the agent to say {words!r}", said, timeout, 0.05)
        self.phone.wait_heard(10, after=time.monotonic() - 2)


def used(row: dict[str, Any]) -> list[tuple[str, str]]:
    """The tools of a call, each with its error or none."""
    return [(tool["name"], tool["error"]) for tool in row["tools"]]


def agent_said(row: dict[str, Any]) -> list[str]:
    return [u["text"] for u in row["transcript"] if u["party"] == "agent"]
