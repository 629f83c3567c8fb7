"""What the controller makes of an Asterisk that was away, and is too busy to say what is left."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.call import controller as module
from bot.call.call import Call
from bot.call.controller import Controller
from bot.call.ports import Departure
from bot.config.settings import Settings
from tests.fakes.busy_asterisk import BusyAsterisk


class Known:
    """As much of a call as is looked at: it is over when it is told so."""

    def __init__(self) -> None:
        self.leg = SimpleNamespace(there=True, caller_id="caller", second_there="", ids=lambda: ("caller",))
        self.ended: list[Departure] = []

    def gone(self, departure: Departure) -> None:
        self.ended.append(departure)


async def looked_at(asterisk: BusyAsterisk, call: Known, until: Callable[[], bool]) -> None:
    """Let a controller that knows ``call`` find out what is there."""
    controller = Controller(cast(Any, None), lambda left: None)
    house = SimpleNamespace(ari=asterisk, settings=Settings(provider_name="offline"))
    running = asyncio.create_task(controller.run(cast(Any, house)))
    await asyncio.sleep(0)
    controller.calls["1"] = cast(Call, call)
    controller.on_state(True)
    async with asyncio.timeout(5):
        while not until():
            await asyncio.sleep(0.01)
    controller.calls.clear()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("unanswered", [0, 3])
async def test_a_call_whose_end_was_missed_is_over_once_asterisk_answers(
    unanswered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_AGAIN_AFTER_S", 0.01)
    monkeypatch.setattr(module, "WATCH_EVERY_S", 0.01)
    call = Known()
    await looked_at(BusyAsterisk(unanswered), call, lambda: bool(call.ended))
    assert [departure.by for departure in call.ended] == ["asterisk"]


async def test_a_call_that_comes_about_while_asterisk_answers_is_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ORPHANED_AFTER_S", 0.0)
    call = Known()
    call.leg.there = False
    asked: list[bool] = []

    def meanwhile() -> None:
        call.leg.there = True
        asked.append(True)

    await looked_at(BusyAsterisk(0, meanwhile), call, lambda: len(asked) == 2)
    assert call.ended == []
