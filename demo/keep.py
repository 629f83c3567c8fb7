"""``make run``: the stack stays up for softphones until Ctrl-C; passwords and records stay in one folder."""

import socket
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from bot.config.load import Loaded
from demo.live import Live
from demo.stack import Steps, find_asterisk, start_bot
from tests.e2e.asterisk import Asterisk, HarnessError

#: For firewalls on the way to the phone (README).
RTP_PORTS = "10000-11999"


def keep(console: Console, loaded: Loaded, config: Path, var: Path, address: str, port: int) -> None:
    """Ends with KeyboardInterrupt, or with HarnessError when the bot ends of itself."""
    var = var.absolute()
    var.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with Steps(console) as steps:
            root = find_asterisk(steps)
            _free(address, port)
            with steps("Asterisk starts"):
                asterisk = stack.enter_context(
                    Asterisk(
                        root=root, folder=var / "asterisk", address=address, sip_port=port, rtp=RTP_PORTS
                    )
                )
            records = {"database": str(var / "calls.sqlite"), "recordings": str(var / "recordings")}
            bot = start_bot(steps, stack, asterisk, loaded, config, records=records)
        _explain(console, asterisk, var)
        with Live(console, bot):
            while bot.process is not None and bot.process.returncode is None:
                time.sleep(0.5)
        raise HarnessError(f"the bot ended by itself:\n{bot.log_tail(5)}")


def _explain(console: Console, asterisk: Asterisk, var: Path) -> None:
    secret = asterisk.config / "secrets" / "phone"
    host = "this machine's address" if asterisk.address == "0.0.0.0" else asterisk.address
    console.print(
        f"""
[bold]Register a softphone[/] (SIP over UDP, G.711)
  server    {host}, port {asterisk.sip_port}
  user      phone
  password  {asterisk.phone_password()}    (kept in {secret})

  dial [bold]100[/] for the agent, [bold]101[/] for an echo test

Records and recordings: {var}. Ctrl-C ends everything.
""",
        soft_wrap=True,
    )


def _free(address: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, port))
        except OSError as error:
            raise HarnessError(
                f"SIP cannot listen on {address}:{port} ({error.strerror}):"
                " end what holds it, or name another place with --address or --port"
            ) from None
