"""``make demo`` and ``make run``. Exit: 0 well, 1 the call went wrong, 2 bad configuration, 5 not set up."""

import argparse
import signal
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from bot.config.load import load
from bot.errors import ResourceError, VoicebotError
from demo.call import demo
from demo.keep import keep
from tests.e2e.asterisk import PROJECT, HarnessError


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    console = Console(highlight=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        loaded = load(str(options.config))
        if options.keep:
            keep(console, loaded, options.config, options.var, options.address, options.port)
            return 0
        return demo(console, loaded, options.config, options.out)
    except KeyboardInterrupt:
        console.print("stopped")
        return 0 if options.keep else 130
    except HarnessError as error:
        console.print(f"[red]failed:[/] {escape(str(error))}", soft_wrap=True)
        return ResourceError.exit_code
    except VoicebotError as error:
        console.print(f"[red]failed:[/] {escape(str(error))}", soft_wrap=True)
        return error.exit_code


def _stop(*_: object) -> None:
    """Whoever asks, everything is released on the way out; a second signal would cut that short."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep everything up, for softphones")
    parser.add_argument("--config", type=Path, default=PROJECT / "config.yaml")
    parser.add_argument("--out", type=Path, default=Path("out"), help="where recording and picture go")
    parser.add_argument("--var", type=Path, default=Path("var"), help="with --keep: where data stay")
    parser.add_argument("--address", default="127.0.0.1", help="with --keep: where SIP listens")
    parser.add_argument("--port", type=int, default=5060, help="with --keep: the SIP port")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
