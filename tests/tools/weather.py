"""What a package of somebody else's may bring; ``package.install`` makes a real one of this file."""

import asyncio
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from bot.call.ports import CallControl, Departure


class Outlook(BaseModel):
    town: str
    sky: str


async def weather(town: Annotated[str, Field(description="A town.")], days: int = 1) -> Outlook:
    """The weather of the next days."""
    if town == "Nowhere":
        raise ValueError("there is no such town")
    await asyncio.sleep(0)
    return Outlook(town=town, sky="sunny" if days == 1 else "cloudy")


async def give_up(call: CallControl, reason: Literal["noise", "nobody"]) -> str:
    """End the call."""
    call.leave(Departure("hangup", by="agent", reason=reason))
    return "Say a short farewell."


async def odd() -> object:
    """Returns what JSON does not know."""
    return {1: {2.5}, "x": object}


async def faulty() -> None:
    """Fails."""
    raise RuntimeError("a secret inside")


def not_async() -> None:
    """Blocks."""


async def not_told() -> None: ...


async def not_typed(x) -> None:  # type: ignore[no-untyped-def]
    """No annotation."""


async def not_named(*things: str) -> None:
    """Cannot be called by name."""
