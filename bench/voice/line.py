"""A telephone line to measure on: a real Asterisk, real SIP phones, the bot, and the laboratory's model."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Self

from bench.child import prefer
from bench.voice.machine import ALONE, check_talk, preferred
from bench.voice.model import Model, Session
from tests.e2e.asterisk import Asterisk, wait_for
from tests.e2e.between import Between
from tests.e2e.bot import Bot
from tests.e2e.phone import Phone
from tests.e2e.proxy import CLEAN, Impairment


@dataclass(frozen=True)
class Call:
    """An answered call: the caller's phone, and the model's session of it."""

    phone: Phone
    session: Session


class Line:
    """``with Line() as line, line.call() as call: …``; the agent greets nobody.

    ``from_phone`` spoils what the phones send, ``to_bot`` what Asterisk sends to the bot; ``watched``: the
    relay between them is there even if it spoils nothing. Keywords are blocks of the bot's configuration.
    """

    def __init__(
        self,
        phones: int = 1,
        *,
        from_phone: Impairment = CLEAN,
        to_bot: Impairment = CLEAN,
        watched: bool = False,
        **blocks: Any,
    ) -> None:
        self._accounts = [f"2{n:02}" for n in range(phones)]
        self._from_phone, self._to_bot = from_phone, to_bot
        self._watched = watched or to_bot != CLEAN
        self.between: Between | None = None
        self._blocks = {
            "agents": {"default": {"greeting": ""}},
            "logging": {"level": "INFO", "transcripts": False},
            **ALONE,
            **blocks,
        }
        self.rows: list[dict[str, Any]] = []
        """The bot's record of each call that is over."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(preferred())
            self.asterisk = stack.enter_context(Asterisk(phones=self._accounts))
            prefer(self.asterisk.pid)
            self.model = stack.enter_context(Model())
            if self._watched:
                self.between = stack.enter_context(Between(len(self._accounts), to_bot=self._to_bot))
                self._blocks["media"] = {"rtp": self.between.settings}
                self._blocks["calls"] = {"max_calls": len(self._accounts)}
            self.bot = stack.enter_context(Bot(self.asterisk, self.model.url, **self._blocks))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextmanager
    def call(self, number: int = 0) -> Iterator[Call]:
        """A call of phone ``number``; hung up afterwards. One at a time may be set up, many may be held.
        Raises HarnessError when the bot did what no row means it to do."""
        with Phone(self.asterisk, self._accounts[number]) as phone:
            phone.relay.from_phone = self._from_phone
            phone.relay.random.seed(number)
            prefer(phone.pid)
            before = len(self.model.sessions)
            phone.dial("100")
            session = wait_for("the model's session", lambda: self.model.sessions[before:], 5)[0]
            wait_for("the caller's voice at the model", lambda: session.arrivals, 5)
            yield Call(phone, session)
            phone.hangup()
            self.rows = self.bot.wait_ended(len(self.rows) + 1)
            for row in self.rows:
                check_talk(row)
