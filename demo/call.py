"""The demo: everything is set up, a phone holds one spoken call, and the call is shown and judged."""

import shutil
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bot.config.load import Loaded
from bot.config.profile import INSTRUCTIONS
from bot.offline.ears import transcribe
from bot.offline.persona import load_persona
from bot.records.picture import draw
from demo import talk
from demo.live import Live
from demo.measure import Measures, cut, measure
from demo.stack import Steps, find_asterisk, start_bot
from demo.verdict import Finding, judge
from demo.voice import speak
from tests.e2e.asterisk import Asterisk, HarnessError, cache_folder
from tests.e2e.bot import Bot, settled
from tests.e2e.phone import Phone, Trace
from tests.e2e.sound import RATE_HZ


def demo(console: Console, loaded: Loaded, config: Path, out: Path) -> int:
    """0 when all went well, 1 when the call did not."""
    began = time.monotonic()
    with ExitStack() as stack:
        phone, bot, asterisk = _set_up(console, stack, loaded, config)
        console.print(f"[dim]ready after {time.monotonic() - began:.0f} s: the phone dials 100[/]\n")
        voice = speak([line.words for line in talk.SCRIPT], cache_folder())
        with Live(console, bot):
            trace, trouble = talk.hold(phone, voice)
            row = _row(bot, trouble)
            settled(asterisk)
        console.print()
        stalls = bot.logged("pacer_stalled")
        found, heard = _listen(console, trace)
        files = _keep(out, trace, row)
    findings = [
        *judge(row, found, heard),
        Finding("the conversation", "broken off" if trouble else "whole", trouble),
    ]
    console.print(_table(findings))
    for file in files:
        console.print(f"  {file}", soft_wrap=True)
    complaints = [finding.complaint for finding in findings if finding.complaint]
    for complaint in complaints:
        console.print(f"[red]failed:[/] {escape(complaint)}", soft_wrap=True)
    if stalls:
        console.print(
            f"[yellow]this machine was too busy for a good call:[/] the voice stalled {len(stalls)} times"
        )
    console.print(f"[dim]all done after {time.monotonic() - began:.0f} s[/]")
    return 1 if complaints else 0


def _row(bot: Bot, trouble: str) -> dict[str, Any]:
    """The call's record. Raises HarnessError with ``trouble`` when the call never came to the bot."""
    try:
        return bot.wait_ended()[0]
    except HarnessError as error:
        raise HarnessError(trouble or str(error)) from None


def _set_up(console: Console, stack: ExitStack, loaded: Loaded, config: Path) -> tuple[Phone, Bot, Asterisk]:
    with Steps(console) as steps:
        root = find_asterisk(steps, "baresip-core")
        with steps("the caller's voice"):
            speak([line.words for line in talk.SCRIPT], cache_folder())
        with steps("Asterisk starts"):
            asterisk = stack.enter_context(Asterisk(root=root))
        bot = start_bot(steps, stack, asterisk, loaded, config, agents=_agents(loaded))
        with steps("the phone registers"):
            phone = stack.enter_context(Phone(asterisk))
    return phone, bot, asterisk


def _agents(loaded: Loaded) -> dict[str, Any]:
    """The configured agent, who also knows what the embedded model's business knows: any model can answer."""
    default = loaded.settings.agents.get("default")
    instructions = (default and default.instructions) or INSTRUCTIONS
    answers = "\n".join(entry.answer for entry in load_persona().answers)
    return {"default": {"instructions": f"{instructions}\nYou answer for Harbour Bikes:\n{answers}"}}


def _listen(console: Console, trace: Trace) -> tuple[Measures, str]:
    """What Whisper makes of all that the phone heard of the agent, put together without the waiting."""
    found, pcm = measure(trace), trace.heard()
    with Steps(console) as steps, steps("listening to what the phone heard"):
        talk_only = [cut(pcm, stretch) for stretch in found.agent]
        heard = transcribe(np.concatenate(talk_only).tobytes(), RATE_HZ) if talk_only else ""
    return found, heard


def _keep(out: Path, trace: Trace, row: dict[str, Any]) -> list[Path]:
    """The bot's recording, the phone's, and the picture."""
    out.mkdir(parents=True, exist_ok=True)
    recording, at_phone, picture = out / "call.wav", out / "phone.wav", out / "call.png"
    trace.record(at_phone)
    if not row["recording"]:
        return [at_phone]
    shutil.copyfile(row["recording"], recording)
    draw(recording, row, picture)
    return [recording, at_phone, picture]


def _table(findings: list[Finding]) -> Table:
    table = Table("", "what", "measured", show_edge=False)
    for finding in findings:
        mark = "[red]✗[/]" if finding.complaint else "[green]✓[/]"
        table.add_row(mark, escape(finding.name), escape(finding.value))
    return table
