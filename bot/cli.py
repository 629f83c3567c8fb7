"""The ``voicebot`` command. Exit codes: 0 well, 1 a fault of ours, 2 configuration, 3 Asterisk, 4 the model,
5 a port, file or program of this machine."""

import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
import uvloop

from bot import __version__, app
from bot.config.load import Loaded, load
from bot.errors import ResourceError, VoicebotError
from bot.log import configure

cli = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
ConfigPath = Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")]
DEFAULT_CONFIG = Path("config.yaml")
T = TypeVar("T")


@cli.command()
def run(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Answer calls until SIGTERM (drains) or SIGINT (stops)."""
    loaded = _load(config)
    _run(app.run(loaded))


@cli.command()
def check(
    config: ConfigPath = DEFAULT_CONFIG,
    live: Annotated[bool, typer.Option(help="Also ask Asterisk and the model.")] = False,
) -> None:
    """List every mistake in the configuration, with line and remedy."""
    loaded = _load(config)
    print(f"{config}: good. The provider is {loaded.provider} because {loaded.provider_reason}.")
    if live:
        from bot.doctor import examine

        _run(examine(loaded))


@cli.command()
def call(
    endpoint: Annotated[str, typer.Argument(help="Whom to call: PJSIP/200. See outbound.allow.")],
    agent: Annotated[str, typer.Option(help="Who talks; chosen by its match if left out.")] = "",
    variables: Annotated[
        list[str] | None, typer.Option("--var", help="name=Ada, for {var:name}; repeatable.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Have the running bot call somebody, and wait for what comes of it."""
    from bot.web.client import call_out

    sys.exit(_run(call_out(_load(config).settings.web, endpoint, agent, variables or [])))


@cli.command()
def picture(
    call_id: str,
    config: ConfigPath = DEFAULT_CONFIG,
    out: Annotated[Path | None, typer.Option(help="CALL_ID.png by default.")] = None,
) -> None:
    """Draw a recorded call: both voices, turns, gate, barge-in and tools on one time line."""
    try:
        from bot.records.picture import draw
    except ImportError as error:
        raise ResourceError(
            "pictures need matplotlib", remedy="install the extra pictures (docs/install.md)"
        ) from error
    from bot.records.store import read_row

    row = read_row(_load(config).settings.records.database, call_id)
    if not row["recording"]:
        raise ResourceError(f"call {call_id} was not recorded", remedy="set records.recordings")
    path = out or Path(f"{call_id}.png")
    draw(Path(row["recording"]), row, path)
    print(path.absolute())


@cli.command()
def tune(
    file: Annotated[Path, typer.Argument(help="A WAV: the bot's own recording, or the caller alone.")],
    config: ConfigPath = DEFAULT_CONFIG,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="vad.energy_threshold=300; repeatable.")
    ] = None,
    sweep: Annotated[str | None, typer.Option(help="Compare: vad.energy_threshold=100,200,400.")] = None,
    out: Annotated[Path | None, typer.Option(help="The picture; FILE-tune.png by default.")] = None,
) -> None:
    """Replay a recording through canceller, VAD and gate, and show what the settings make of it."""
    from bot.tune import run as replay

    replay(file, _load(config).settings, sets or [], sweep, out or Path(f"{file.stem}-tune.png"))


@cli.command()
def offline(
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8090,
    dialect: Annotated[str, typer.Option(help="ga or beta")] = "ga",
    scripted: Annotated[bool, typer.Option(help="Scripted ears, synthetic voice: for load tests.")] = False,
    persona: Annotated[Path | None, typer.Option(help="A persona of your own (YAML).")] = None,
) -> None:
    """Serve the embedded model: a Realtime server for anyone without a key."""
    from bot.offline import __main__ as embedded

    arguments = ["--port", str(port), "--dialect", dialect]
    arguments += ["--scripted"] if scripted else []
    arguments += ["--persona", str(persona)] if persona else []
    raise typer.Exit(embedded.main(arguments))


@cli.command("asterisk-config")
def asterisk_config(
    config: ConfigPath = DEFAULT_CONFIG,
    directory: Annotated[Path | None, typer.Option(help="Check what this folder of Asterisk's has.")] = None,
    extension: Annotated[str, typer.Option(help="What phones dial.")] = "100",
    context: Annotated[str, typer.Option(help="Where phones dial; found in the folder if left out.")] = "",
    show_password: Annotated[bool, typer.Option("--show-password", help="Print ARI's password.")] = False,
) -> None:
    """Print the lines that Asterisk needs, and check which it has. Changes nothing."""
    from bot.asterisk_config import main

    settings = _load(config).settings
    code = main(settings, directory, extension=extension, context=context, show_password=show_password)
    raise typer.Exit(code)


@cli.command()
def version() -> None:
    """Print the version."""
    print(__version__)


def _load(path: Path) -> Loaded:
    loaded = load(path)
    for warning in loaded.warnings:
        print(warning, file=sys.stderr)
    configure(loaded.settings.logging)
    return loaded


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return uvloop.run(work)
    except BaseExceptionGroup as group:
        raise _first(group) from group


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error a person can act on; a task group wraps it once or twice."""
    known = group.subgroup(VoicebotError)
    error: BaseException = known if known is not None else group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def main() -> NoReturn:
    """Entry point: whatever a person can mend is one line, without a traceback."""
    try:
        cli(standalone_mode=True)
    except VoicebotError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


if __name__ == "__main__":
    main()
