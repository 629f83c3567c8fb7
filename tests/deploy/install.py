"""Runs deploy/install.sh on bare Debian trees and places a spoken call to what it installed.

    python -m tests.deploy.install [bookworm trixie]      what it needs besides, `make install-test` installs

No systemd runs in a tree: the unit is verified, and its ExecStart is started by hand as its user, in its
working directory, with its environment.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.deploy.sides import check_words
from tests.deploy.steps import CERTIFICATES, expect, install, need_root, run, step, tree, trial_folder
from tests.deploy.talk import hold_call
from tests.e2e.asterisk import PROJECT, Asterisk, HarnessError, free_port, wait_for

SUITES = ("bookworm", "trixie")
PACKAGES = ("ca-certificates",)
UNIT = "/etc/systemd/system/voicebot.service"
PROGRAM = ("opt/voicebot", "etc/systemd/system/voicebot.service", "usr/local/bin/voicebot")
DATA = ("etc/voicebot/config.yaml", "etc/voicebot/secrets/ari_password", "var/lib/voicebot/var/calls.sqlite")
MOST_EXPOSED = 2.5
READY_SECONDS = 60.0
#: What plain `su` leaves root with.
SU_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
# Bound to itself the tree is a mount, which `unshare -m` inside it wants of its root.
ENTER = """
root=$1; shift
mount --bind "$root" "$root"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs none "$root/tmp"
exec chroot "$root" "$@"
"""


class Machine:
    """A Debian tree taken for a machine."""

    def __init__(self, suite: str, folder: Path) -> None:
        self.root = folder / suite
        self.log = folder / f"{suite}.log"
        self.service: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.root.mkdir()
        run(["tar", "-C", self.root, "-xf", tree(suite)])
        shutil.copy("/etc/resolv.conf", self.root / "etc" / "resolv.conf")
        (self.root / "etc" / "hosts").write_text(Path("/etc/hosts").read_text())
        # The host may trust an authority of its own; pip in the tree trusts what the host trusts.
        shutil.copy(CERTIFICATES, self.root / "etc" / "host-certificates.crt")
        (self.root / "etc" / "pip.conf").write_text("[global]\ncert = /etc/host-certificates.crt\n")
        listed = run(["git", "ls-files", "-co", "--exclude-standard", "bot", "deploy", "config.yaml"])
        for name in listed.splitlines():
            target = self.root / "src" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, target)
        # As a clone made under such an umask.
        run(["chmod", "-R", "go=", self.root / "src"])

    def run(self, *command: str, check: bool = True, timeout: float = 900) -> str:
        inside = ["unshare", "-m", "sh", "-ec", ENTER, "enter", str(self.root)]
        clean = [
            "env",
            "-i",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG=C.UTF-8",
        ]
        return run([*inside, *clean, *command], log=self.log, check=check, timeout=timeout)

    def install(self, *options: str, check: bool = True) -> str:
        """install.sh as it may be met: root's umask closes everything, and root came by plain `su`."""
        script = 'umask 077; PATH=$1; shift; exec /src/deploy/install.sh "$@"'
        return self.run("sh", "-c", script, "install", SU_PATH, *options, check=check)

    def read(self, path: str) -> str:
        return (self.root / path.lstrip("/")).read_text()

    def unit(self, key: str) -> str:
        found = re.search(rf"(?m)^{key}=(.*)$", self.read(UNIT))
        if found is None:
            raise HarnessError(f"the unit has no {key}")
        return found[1]

    def check_unit(self) -> None:
        """systemd takes the unit as it is, and thinks it well shut in."""
        self.run("apt-get", "update", "-q")
        self.run("apt-get", "install", "-qy", "systemd")
        words = self.run("systemd-analyze", "verify", UNIT, check=False)
        expect(not words.strip(), words)
        words = self.run("systemd-analyze", "security", "--offline=true", UNIT, check=False)
        found = re.search(r"exposure level for \S+ ([\d.]+)", words)
        expect(found is not None and float(found[1]) <= MOST_EXPOSED, words[-200:])

    def connect(self, asterisk: Asterisk) -> None:
        """What an operator writes down: ARI's password, and the ports that are free here."""
        (self.root / "etc/voicebot/secrets/ari_password").write_text(asterisk.ari_password)
        self.port, first = free_port(), free_port()
        with (self.root / "etc/voicebot/environment").open("a") as file:
            file.write(f"ARI_URL={asterisk.ari_url}\nWEB_PORT={self.port}\nRTP_PORTS={first}-{first + 999}\n")

    def start(self) -> None:
        """What systemd would do for ``ExecStart``."""
        user = f"--reuid {self.unit('User')} --regid {self.unit('Group')} --clear-groups"
        start = (
            f"set -a; . {self.unit('EnvironmentFile').lstrip('-')}; cd {self.unit('WorkingDirectory')}; "
            f"exec setpriv {user} --no-new-privs --bounding-set=-all --inh-caps=-all {self.unit('ExecStart')}"
        )
        command = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            "unshare",
            "-m",
            "sh",
            "-ec",
            ENTER,
            "enter",
            str(self.root),
        ]
        command += ["env", "-i", "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "sh", "-ec", start]
        with self.log.open("ab") as log:
            self.service = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        wait_for("the service to be ready", self._ready, READY_SECONDS, 0.2)

    def stop(self) -> int:
        """SIGTERM, and the exit code that follows within the unit's time."""
        if self.service is None:
            return 0
        service, self.service = self.service, None
        service.terminate()
        try:
            return service.wait(float(self.unit("TimeoutStopSec")))
        except subprocess.TimeoutExpired:
            service.kill()
            return service.wait()

    def running_release(self) -> str:
        """The release whose Python the service runs."""
        assert self.service is not None
        inside = Path(f"/proc/{self.service.pid}/cmdline").read_text().split("\0")
        return Path(inside[0]).parents[1].name

    def restart_in_call(self, asterisk: Asterisk) -> None:
        """What ``systemctl restart`` does after an upgrade: the whole conversation is still held."""
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(hold_call, asterisk)
            wait_for(
                "a call to restart in", lambda: "voicebot_calls_active 1.0" in self._get("/metrics"), 30, 0.2
            )
            code = self.stop()
            expect(code == 0, f"the service ended with {code}")
            self.start()
            call.result(60)

    def there(self, paths: Sequence[str]) -> list[str]:
        return [path for path in paths if (self.root / path).exists()]

    def tail(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-40:]) if self.log.exists() else ""

    def _ready(self) -> bool:
        if self.service is not None and self.service.poll() is not None:
            raise HarnessError(f"the service ended with {self.service.returncode}")
        try:
            return bool(self._get("/readyz"))
        except (urllib.error.URLError, ConnectionError):
            return False

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
            words: str = answer.read().decode()
            return words


def try_out(machine: Machine) -> None:
    """Install, call, upgrade, refuse a bad configuration, uninstall."""
    with step("  install.sh --offline"):
        words = machine.install("--offline")
        expect("dial 100" in words.splitlines()[-1], "install.sh does not end with «dial 100»")
        machine.check_unit()
    config = machine.root / "etc/voicebot/config.yaml"
    with Asterisk() as asterisk:
        machine.connect(asterisk)
        config.write_text(config.read_text().replace('recordings: ""', "recordings: recordings", 1))
        machine.start()
        with step("  a call"):
            hold_call(asterisk)
        with step("  its recording"):
            check_words(machine.root / "var/lib/voicebot/recordings")
        with step("  an upgrade keeps what the operator wrote"):
            config.write_text(config.read_text().replace("max_calls: 100", "max_calls: 7", 1))
            before = machine.read("/etc/voicebot/secrets/ari_password")
            # Left by an upgrade that was cut off.
            (machine.root / "opt/voicebot/next").symlink_to("/opt/voicebot/current")
            machine.install()
            expect("max_calls: 7" in config.read_text(), "the configuration was overwritten")
            expect(machine.read("/etc/voicebot/secrets/ari_password") == before, "the password was made anew")
            lock = machine.run("cat", "/opt/voicebot/current/lock")
            expect(lock.strip() == "offline", "the embedded model was lost")
        with step("  the new release takes over in the middle of a call"):
            old, new = machine.running_release(), (machine.root / "opt/voicebot/current").readlink().name
            machine.restart_in_call(asterisk)
            expect(machine.running_release() == new != old, f"{machine.running_release()} runs, not {new}")
            hold_call(asterisk)
        expect(machine.stop() == 0, "the service did not stop well")
    with step("  a bad configuration stops an upgrade"):
        release = (machine.root / "opt/voicebot/current").readlink()
        config.write_text(config.read_text().replace("max_calls: 7", "max_cals: 7", 1))
        words = machine.install(check=False)
        expect("did you mean max_calls" in words, f"the mistake is not named: {words[-300:]}")
        expect(
            (machine.root / "opt/voicebot/current").readlink() == release,
            "the release was switched all the same",
        )
    with step("  uninstall, then purge"):
        machine.install("--uninstall")
        expect(machine.there(PROGRAM) == [], f"left behind: {machine.there(PROGRAM)}")
        expect(machine.there(DATA) == list(DATA), f"--uninstall left of the data: {machine.there(DATA)}")
        machine.install("--purge")
        expect(machine.there(DATA) == [], f"left behind: {machine.there(DATA)}")
        expect("voicebot" not in machine.read("/etc/passwd"), "the user is left behind")


def main() -> int:
    need_root()
    begun = time.monotonic()
    with ExitStack() as stack:
        folder = stack.enter_context(trial_folder("install"))
        with step("packages"):
            install(PACKAGES, folder / "apt.log")
        for suite in sys.argv[1:] or SUITES:
            with step(f"Debian {suite}: the tree"):
                machine = Machine(suite, folder)
            stack.callback(machine.stop)
            try:
                try_out(machine)
            except (HarnessError, subprocess.TimeoutExpired) as error:
                print(f"{error}\n{machine.tail()}", file=sys.stderr)
                return 1
    print(f"install.sh works: {time.monotonic() - begun:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
