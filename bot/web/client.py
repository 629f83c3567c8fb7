"""``voicebot call``: asks the running bot, over its own API, to call somebody, and tells what came of it."""

import asyncio
from typing import Any

import aiohttp

from bot.config.settings import Web
from bot.errors import ConfigError, OrderRefused, ResourceError

LOOK_EVERY_S = 1.0
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


#: Exit codes of a call in which nobody talked, by its reason; ``UNREACHABLE`` for any other.
EXIT_CODES = {"busy": 10, "no answer": 11, "ring time-out": 12, "rejected": 13, "answering machine": 15}
UNREACHABLE = 14


async def call_out(web: Web, endpoint: str, agent: str, variables: list[str]) -> int:
    """Prints the call's id, and when it has ended how; the exit code says whether somebody answered.

    Raises ConfigError, OrderRefused or ResourceError.
    """
    token = web.api_token.get_secret_value()
    if not token:
        raise ConfigError("the bot's API is off", remedy="set web.api_token")
    given = dict(pair.partition("=")[::2] for pair in variables)
    if any("=" not in pair for pair in variables):
        raise ConfigError("a variable has no value", remedy="write --var name=value")
    host = ANYWHERE.get(web.bind, web.bind)
    where = f"[{host}]" if ":" in host else host
    try:
        async with aiohttp.ClientSession(
            f"http://{where}:{web.port}", headers={"Authorization": f"Bearer {token}"}
        ) as bot:
            order = {"endpoint": endpoint, "agent": agent, "variables": given}
            call_id = (await _ask(bot, "POST", "/api/calls", order))["id"]
            print(call_id, flush=True)
            call = await _ended(bot, call_id)
    except aiohttp.ClientError as error:
        raise ResourceError(
            f"no bot answers at {where}:{web.port} ({error})", remedy="start it: voicebot run"
        ) from error
    print(f"{call['outcome']} by {call['ended_by']}: {call['reason']}")
    return exit_code(call)


def exit_code(call: dict[str, Any]) -> int:
    if call["answered_at"] is None:
        return EXIT_CODES.get(call["reason"], UNREACHABLE)
    return EXIT_CODES["answering machine"] if call["reason"] == "answering machine" else 0


async def _ended(bot: aiohttp.ClientSession, call_id: str) -> dict[str, Any]:
    while True:
        call = await _ask(bot, "GET", f"/api/calls/{call_id}")
        if call["outcome"] != "active":
            return call
        await asyncio.sleep(LOOK_EVERY_S)


async def _ask(bot: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> dict[str, Any]:
    async with bot.request(method, path, json=body) as answer:
        found: dict[str, Any] = await answer.json()
    if answer.status < 400:
        return found
    if answer.status == 401:
        raise ConfigError(
            "the bot does not take this token", remedy="use the web.api_token it was started with"
        )
    raise OrderRefused("not_allowed", found["error"], remedy=found["remedy"])
