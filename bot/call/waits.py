"""Tasks that wait for what the 20 ms clock will bring about."""

import asyncio
from collections.abc import Callable


class Waits:
    """``check`` it on every tick: who waits goes on at the first one at which the condition holds."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    async def until(self, condition: Callable[[], bool]) -> None:
        if condition():
            return
        entry = (condition, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        try:
            await entry[1]
        finally:
            self._waiting.remove(entry)

    def check(self) -> None:
        for condition, future in self._waiting:
            if not future.done() and condition():
                future.set_result(None)
