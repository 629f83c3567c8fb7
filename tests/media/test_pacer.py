"""The pacer by counts: how often lines are ticked, and that one fault stays one line's."""

import asyncio
import time

import uvloop

from bot.media.pacer import MAX_CATCH_UP, PERIOD_S, PHASES, Pacer


class Counter:
    def __init__(self, fail_at: int = -1) -> None:
        self.ticks = 0
        self.told = False
        self._fail_at = fail_at

    def tick(self, now: float) -> None:
        self.ticks += 1
        if self.ticks == self._fail_at:
            raise RuntimeError("a fault in one call")

    def failed(self) -> None:
        self.told = True


async def run(pacer: Pacer, seconds: float) -> float:
    """Let time pass; how much really did."""
    began = time.monotonic()
    pacer.start()
    await asyncio.sleep(seconds)
    pacer.stop()
    return time.monotonic() - began


async def test_every_line_is_ticked_once_a_period() -> None:
    pacer, lines = Pacer(), [Counter() for _ in range(10)]
    for line in lines:
        pacer.add(line)
    took = await run(pacer, 1.0)
    for line in lines:
        assert abs(line.ticks - took / PERIOD_S) <= 2


async def test_lines_are_spread_over_the_phases() -> None:
    pacer = Pacer()
    for _ in range(2 * PHASES):
        pacer.add(Counter())
    assert [len(lines) for lines in pacer._phases] == [2] * PHASES


class Newcomer(Counter):
    """Counts the ticks of the others before its own first one."""

    def __init__(self, others: list[Counter]) -> None:
        super().__init__()
        self.others = others
        self.waited = -sum(line.ticks for line in others)

    def tick(self, now: float) -> None:
        if not self.ticks:
            self.waited += sum(line.ticks for line in self.others)
        super().tick(now)


async def test_a_new_line_need_not_wait_for_a_round_of_the_others() -> None:
    pacer, others = Pacer(), [Counter() for _ in range(PHASES)]
    for line in others:
        pacer.add(line)
    pacer.start()
    for _ in range(5):
        await asyncio.sleep(0.007)
        newcomer = Newcomer(others)
        pacer.add(newcomer)
        while not newcomer.ticks:
            await asyncio.sleep(0.001)
        pacer.remove(newcomer)
        assert newcomer.waited <= 1, "only for the other one of its phase"
    pacer.stop()


async def test_a_stall_is_made_up_for() -> None:
    pacer, line = Pacer(), Counter()
    pacer.add(line)
    pacer.start()
    await asyncio.sleep(0.1)
    before = line.ticks
    time.sleep(0.1)  # noqa: ASYNC251 - the stall
    await asyncio.sleep(0.02)
    pacer.stop()
    assert line.ticks - before >= 5
    assert pacer.take_late_ms() > 50
    assert pacer.take_late_ms() == 0


async def test_a_long_stall_moves_the_clock_instead() -> None:
    pacer, line = Pacer(), Counter()
    pacer.add(line)
    pacer.start()
    await asyncio.sleep(0.05)
    before = line.ticks
    time.sleep(0.6)  # noqa: ASYNC251 - the stall
    await asyncio.sleep(0)
    await asyncio.sleep(0.005)
    pacer.stop()
    assert line.ticks - before <= MAX_CATCH_UP + 2


async def test_one_faulty_line_does_not_silence_the_others() -> None:
    pacer, faulty, sound = Pacer(), Counter(fail_at=3), Counter()
    pacer.add(faulty)
    pacer.add(sound)
    await run(pacer, 0.3)
    assert (faulty.ticks, faulty.told) == (3, True)
    assert sound.ticks > 8


async def test_removed_lines_rest() -> None:
    pacer, line = Pacer(), Counter()
    pacer.add(line)
    pacer.remove(line)
    await run(pacer, 0.1)
    assert line.ticks == 0


class Greedy(Counter):
    """Its ticks take longer than their time, so every deadline has passed when it is set."""

    def tick(self, now: float) -> None:
        super().tick(now)
        if self.ticks < 10:
            time.sleep(2 * PERIOD_S)


def test_a_line_can_come_while_the_clock_is_behind() -> None:
    async def behind() -> tuple[Counter, Counter]:
        pacer, greedy, line = Pacer(), Greedy(), Counter()
        pacer.add(greedy)
        pacer.start()
        while not greedy.ticks:
            await asyncio.sleep(0)
        pacer.add(line)
        await asyncio.sleep(1.0)
        pacer.stop()
        return greedy, line

    greedy, line = uvloop.run(behind())
    assert greedy.ticks > 10
    assert line.ticks
