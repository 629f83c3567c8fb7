"""The same bot and model behind a real Asterisk, with SIPp's callers: ``python -m bench.asterisk``.

Asterisk and SIPp need more of the machine than the bot, so this says what a whole machine bears, not what
a core does. What the callers hear is not timed here; the clock of the bot and the calls that failed are
the witness.
"""

import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench import report
from bench.child import Child, cpu_s
from bench.ramp import SHIPPED
from bench.world import READY_S, allow_descriptors, free_port, metric, start_bot, wait_ready
from tests.e2e.asterisk import Asterisk
from tests.e2e.callers import Callers

RAMP = (10, 25, 50, 100)
SETUPS_PER_SECOND = 10.0
MEASURE_S = 8.0
LATE_MS = 20.0
"""A clock this late has left a gap that can be heard."""


def main() -> int:
    """1 when a call failed at the smallest step. ``--write``: puts it into docs/performance.md."""
    allow_descriptors()
    lines = [" calls  set-ups/s  failed  bot CPU %  Asterisk CPU %  late max ms"]
    print(f"{report.where()}\n{lines[0]}", flush=True)
    ended = ""
    for calls in RAMP:
        line, failed, late_ms = _step(calls)
        lines.append(line)
        print(line, flush=True)
        if failed or late_ms > LATE_MS:
            ended = "ended by: " + (f"{failed} failed calls" if failed else f"a clock {late_ms:.0f} ms late")
            lines.append(ended)
            print(ended)
            break
    if "--write" in sys.argv:
        report.write_page("\n".join([f"{report.where()}:", "", "```", *lines, "```"]), "asterisk")
    return int(bool(ended) and calls == RAMP[0])


def _step(calls: int) -> tuple[str, int, float]:
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="voicebot-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        asterisk = stack.enter_context(Asterisk())
        model = stack.enter_context(Child("model", ["-m", "bench.peer_model", "half"], folder / "model.log"))
        ari = {"url": asterisk.ari_url, "password": asterisk.ari_password}
        web_port, model_port = free_port(), model.answer(READY_S)["port"]
        bot = stack.enter_context(start_bot(SHIPPED, folder, ari, model_port, web_port))
        wait_ready(bot, web_port)
        ramp_s = calls / SETUPS_PER_SECOND
        stay_s = ramp_s + MEASURE_S + 6
        began = time.monotonic()
        callers = stack.enter_context(
            Callers(
                asterisk, "100", calls=calls, per_second=SETUPS_PER_SECOND, first_s=stay_s, last_s=stay_s + 2
            )
        )
        active = 0.0
        while active < calls and time.monotonic() - began < ramp_s + 10:
            time.sleep(0.1)
            active = metric(web_port, "voicebot_calls_active")
        rate = active / (time.monotonic() - began)
        time.sleep(2)
        metric(web_port, "voicebot_pacer_late_ms")  # a look resets it
        before = bot.cpu_s(), cpu_s(asterisk.pid)
        time.sleep(MEASURE_S)
        bot_s, asterisk_s = bot.cpu_s() - before[0], cpu_s(asterisk.pid) - before[1]
        late_ms = metric(web_port, "voicebot_pacer_late_ms")
        _, failed = callers.finish(stay_s + 30)
        share = 100 / MEASURE_S / calls
        cells = (f"{rate:.1f}", failed, f"{bot_s * share:.3f}", f"{asterisk_s * share:.3f}", f"{late_ms:.0f}")
        return "{:6}  {:>9}  {:>6}  {:>9}  {:>14}  {:>11}".format(calls, *cells), failed, late_ms


if __name__ == "__main__":
    sys.exit(main())
