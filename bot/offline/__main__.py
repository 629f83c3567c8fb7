"""``python -m bot.offline``: the embedded model as a process of its own. Prints its URL when it is ready."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from bot.config.settings import Logging
from bot.errors import VoicebotError
from bot.log import configure
from bot.offline.persona import DEFAULT_PERSONA
from bot.offline.server import OfflineParams, OfflineServer


def _params(arguments: list[str] | None = None) -> OfflineParams:
    parser = argparse.ArgumentParser(prog="python -m bot.offline", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--dialect", choices=("ga", "beta"), default="ga")
    parser.add_argument("--scripted", action="store_true", help="scripted ears and a synthetic voice")
    parser.add_argument("--persona", type=Path, default=DEFAULT_PERSONA)
    parser.add_argument("--api-key", help="refuse clients with any other key")
    parser.add_argument("--speed", type=float, default=8.0, help="times real time; 0: at once")
    parser.add_argument("--workers", type=int, default=2, help="threads that listen")
    parser.add_argument("--session-s", type=float, default=3600.0, help="life of a session in seconds")
    return OfflineParams(**vars(parser.parse_args(arguments)))


async def _run(params: OfflineParams) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with OfflineServer(params) as server:
        print(server.url, flush=True)
        await stop.wait()


def main(arguments: list[str] | None = None) -> int:
    configure(Logging())
    try:
        uvloop.run(_run(_params(arguments)))
    except VoicebotError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
