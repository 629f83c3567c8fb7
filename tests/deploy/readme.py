"""Does on a bare Debian what README tells a new operator: its commands, taken from its text.

    python -m tests.deploy.readme      what it needs besides, `make readme-test` installs

The clone is of what is committed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from contextlib import ExitStack

from tests.deploy.install import PACKAGES, Machine
from tests.deploy.steps import expect, install, need_root, run, step, trial_folder
from tests.e2e.asterisk import PROJECT, HarnessError

SUITE = "trixie"
CLONE = "/srv/voicebot"
LEAVES = ("call.wav", "phone.wav", "call.png")
DEMO_SECONDS = 1800.0
#: As `su -` gives root.
LOGIN = "export HOME=/root TERM=dumb; cd; "


def commands() -> tuple[str, str]:
    """What makes a bare Debian ready, and what sets up everything and holds a call."""
    readme = (PROJECT / "README.md").read_text()
    found = re.search(r"On a bare Debian, as root, first `([^`]+)`.*?```\n(make demo)\b", readme, re.DOTALL)
    if found is None:
        raise HarnessError("README does not begin as this trial knows it")
    return found[1], found[2]


def try_out(machine: Machine) -> None:
    prepare, demo = commands()
    with step(prepare):
        machine.run("sh", "-ec", LOGIN + prepare)
    with step("git clone"):
        run(["git", "bundle", "create", machine.root / "root" / "voicebot.bundle", "HEAD"])
        machine.run("sh", "-ec", f"{LOGIN}git clone -q voicebot.bundle {CLONE}")
    with step(demo):
        words = machine.run("sh", "-ec", f"{LOGIN}cd {CLONE}; {demo}", timeout=DEMO_SECONDS)
        print("\n".join(words.splitlines()[-25:]))
    left = [name for name in LEAVES if not (machine.root / CLONE[1:] / "out" / name).exists()]
    expect(not left, f"{demo} did not leave {left}")


def main() -> int:
    need_root()
    begun = time.monotonic()
    with ExitStack() as stack:
        folder = stack.enter_context(trial_folder("readme"))
        with step("packages"):
            install(PACKAGES, folder / "apt.log")
        with step(f"Debian {SUITE}: the tree"):
            machine = Machine(SUITE, folder)
        try:
            try_out(machine)
        except (HarnessError, subprocess.TimeoutExpired) as error:
            print(f"{error}\n{machine.tail()}", file=sys.stderr)
            return 1
    print(f"README's first commands work on a bare Debian {SUITE}: {time.monotonic() - begun:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
