"""The machine that measures must not be what is measured: here it prefers the laboratory,
and here is found out whether it had the time, and whether the bot did what nobody asked it to.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from bench.child import prefer
from tests.e2e.asterisk import HarnessError
from tests.e2e.bot import Bot

SWITCH_S = 0.0005
"""How long one thread may keep the others of this process from stamping a packet."""
PACE_MS = 60.0
"""A bot whose clock is later than this takes packets that lie in its socket for late."""
PACER_LATE = "voicebot_pacer_late_ms"
HARMLESS = 1 / 3000
"""Packets: one a minute of each call, a hundredth of what a bad line loses."""
ALONE = {"idle": {"prompt_after": 0}}
"""The laboratory's callers may be silent for as long as a row wants."""
OF_ITS_OWN = frozenset({"idle_prompt", "leaving"})


class Busy(HarnessError):
    """The machine had something else to do: what was recorded says nothing about the bot."""

    def __init__(self, why: str) -> None:
        super().__init__(f"invalid: the machine was busy ({why})")


@contextmanager
def preferred() -> Iterator[None]:
    """This process, and those that it starts, before others."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        prefer(os.getpid())
        yield
    finally:
        sys.setswitchinterval(before)


def check_pace(bot: Bot) -> None:
    """Raises Busy when the bot's clock stood still for long enough to be moved."""
    if stalls := bot.logged("pacer_stalled"):
        raise Busy(f"the bot's clock stood still {len(stalls)} times, {stalls[-1]['ms']} ms at last")


def check_clean(bot: Bot, rows: Sequence[Mapping[str, Any]], harm: Sequence[str]) -> None:
    """Calls on a clean line: next to nothing of ``harm`` in their quality; where packets may be ``late`` for
    the bot, it was in time as well. Raises Busy."""
    late_ms = bot.metric(PACER_LATE) if "late" in harm else 0.0
    counts = {kind: sum(row["quality"][kind] for row in rows) for kind in harm}
    packets = sum(row["quality"]["received"] for row in rows)
    if sum(counts.values()) > HARMLESS * packets or late_ms > PACE_MS:
        told = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        raise Busy(f"{told} of {packets} packets, the bot's clock {late_ms:.0f} ms late")


def check_talk(row: Mapping[str, Any]) -> None:
    """The bot asked nobody whether he is there, and let nobody go. Raises HarnessError."""
    kinds = OF_ITS_OWN & {kind for _, kind, _ in row["timeline"]}
    if kinds:
        raise HarnessError(f"not meant by the row: {', '.join(sorted(kinds))} in the call {row['id']}")
